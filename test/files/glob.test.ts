import { expect, test } from 'vitest'
import { filterPaths, globMatcher } from '../../src/files/glob'

const paths = ['a.json', 'b.json', 'sub/c.json', 'sub/d.txt', 'x[1].bin', 'a+b']

test.each<[string | string[] | undefined, string | string[] | undefined, string[]]>([
  [undefined, undefined, paths],
  ['*.json', undefined, ['a.json', 'b.json', 'sub/c.json']],
  ['sub/', '*.txt', ['sub/c.json']],
  [['?.json'], undefined, ['a.json', 'b.json']],
  ['[!a]*.json', undefined, ['b.json', 'sub/c.json']],
  ['[a-b].json', 'b*', ['a.json']],
  ['x[[]1].bin', undefined, ['x[1].bin']],
  ['a+b', undefined, ['a+b']],
  [[], undefined, []],
  [undefined, ['*'], []],
])('allow %j, ignore %j', (allow, ignore, expected) => {
  expect(filterPaths(paths, allow, ignore)).toEqual(expected)
})

const files = ['a.json', 'ab.json', 'd/a.json', 'd/e/b.json', 'x]y', 'd/e', 'a{b']

test.each<[string, string[]]>([
  ['*.json', ['a.json', 'ab.json']],
  ['?.json', ['a.json']],
  ['**', files],
  ['**/*.json', ['a.json', 'ab.json', 'd/a.json', 'd/e/b.json']],
  ['d/**/*.json', ['d/a.json', 'd/e/b.json']],
  ['d/**', ['d/a.json', 'd/e/b.json', 'd/e']],
  ['d/*', ['d/a.json', 'd/e']],
  ['**/b.json', ['d/e/b.json']],
  ['{a,ab}.json', ['a.json', 'ab.json']],
  ['{d/{a,x},d/e/*}.json', ['d/a.json', 'd/e/b.json']],
  ['[!a]/e', ['d/e']],
  ['[a-c]*[b-z].json', ['ab.json']],
  ['x[]]y', ['x]y']],
  ['a[{]b', ['a{b']],
  ['a[', []],
])('%s', (pattern, expected) => {
  const isMatch = globMatcher(pattern)
  expect(files.filter(isMatch)).toEqual(expected)
})

test('is linear in pattern and path, and bounds what braces stand for', () => {
  const path = 'a'.repeat(20_000)
  expect(globMatcher('*a'.repeat(30) + '*b')(path)).toBe(false)
  expect(globMatcher('**/'.repeat(30) + 'b')('a/'.repeat(5000))).toBe(false)
  expect(filterPaths([path], '*a'.repeat(30) + '*b', [])).toEqual([])
  expect(() => globMatcher('{a,b}'.repeat(40))).toThrow('its braces stand for more than 1000 patterns')
})
