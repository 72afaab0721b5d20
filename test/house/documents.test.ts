import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(__dirname, '../..')
const architecture = readFileSync(join(root, 'docs/architecture.md'), 'utf8')

/** Where a path in a document may begin. */
const places = [
  '',
  'src',
  'native',
  'kernel',
  'native/core',
  'native/cpu',
  'native/cuda',
  'src/models',
  'src/trainer',
  'src/nn',
  'test/parity',
  'test/models',
]
const kernelPlaces = ['kernel/compiler', 'kernel/runner', 'kernel/protocol', 'kernel/session']

describe('files that documents name', () => {
  it.each(['docs/architecture.md', 'CONTRIBUTING.md'])('%s: every one exists', (document) => {
    const text = readFileSync(join(root, document), 'utf8')
    const named = [...text.matchAll(/`([\w./-]+\.(?:ts|mjs|mts|cpp|cu|cuh|h|inc|py|md))`/g)].map((m) => m[1]!)
    const missing = named.filter(
      (path) => ![...places, ...kernelPlaces].some((place) => existsSync(join(root, place, path))),
    )
    expect(named.length).toBeGreaterThan(5)
    expect(missing).toEqual([])
  })
})

describe('the reading order of docs/architecture.md', () => {
  const rows = [...architecture.matchAll(/^\| +(\d+) \| `([\w./-]+)`/gm)]
  const lines = rows.map(([, , path]) => readFileSync(join(root, path!), 'utf8').split('\n').length)

  it('is twelve files that are read in an hour', () => {
    expect(rows.length).toBe(12)
    expect(rows.reduce((sum, [, minutes]) => sum + Number(minutes), 0)).toBeLessThanOrEqual(60)
    // 40 lines a minute, comments among them
    expect(lines.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(40 * 60)
  })
})
