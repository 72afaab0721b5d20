import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

import { type LabelledRow, type PackingStrategy, packRows } from '../../src/data/packing'

interface Golden {
  lengths: number[]
  seq_length: number
  packed: Record<PackingStrategy, { input_ids: number[][]; seq_lengths?: number[][] }>
}

const golden = JSON.parse(readFileSync(join(__dirname, 'golden/packing.json'), 'utf8')) as Golden

const row = (ids: number[]): LabelledRow => ({
  input_ids: Int32Array.from(ids),
  labels: Int32Array.from(ids, (id) => id + 1000),
})

it.each(['bfd', 'bfd_split', 'wrapped'] as const)('%s packs as TRL does', (strategy) => {
  const rows = golden.lengths.map((length, i) => row(new Array<number>(length).fill(i)))
  const packed = packRows(rows, golden.seq_length, strategy)
  const expected = golden.packed[strategy]
  expect(packed.map((r) => Array.from(r.input_ids))).toEqual(expected.input_ids)
  expect(packed.map((r) => r.seq_lengths)).toEqual(
    expected.seq_lengths ?? expected.input_ids.map(() => undefined),
  )
  for (const r of packed) expect(Array.from(r.labels)).toEqual(Array.from(r.input_ids, (id) => id + 1000))
})

it('packs 1,000 rows at a time, so that rows stay near their place', () => {
  const rows = Array.from({ length: 1001 }, (_, i) => row([i]))
  const packed = packRows(rows, 600, 'bfd')
  expect(packed.map((r) => r.input_ids.length)).toEqual([600, 400, 1])
})

it('refuses a length that holds no token', () => {
  expect(() => packRows([row([1])], 0, 'bfd')).toThrow('max_length = 0')
})
