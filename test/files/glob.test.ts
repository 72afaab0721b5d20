import { expect, test } from 'vitest'
import { filterPaths } from '../../src/files/glob'

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
