import { expect, it } from 'vitest'

import { permutation } from '../../src/data/random'
import { uniformStream } from '../../src/tensor/uniform-stream'
import { chunked, sampleOrder } from '../../src/data/sampler'

const lengths = Array.from({ length: 1003 }, (_, i) => ((i * 7919) % 512) + 1)
const sorted = (order: number[]): number[] => [...order].sort((a, b) => a - b)

it('random orders hold every row once and depend on the seed alone', () => {
  const order = sampleOrder('random', { lengths, batchSize: 4, seed: 42 })
  expect(sorted(order)).toEqual(lengths.map((_, i) => i))
  expect(sampleOrder('random', { lengths, batchSize: 8, seed: 42 })).toEqual(order)
  expect(sampleOrder('random', { lengths, batchSize: 4, seed: 43 })).not.toEqual(order)
  // Fixed for ever: a run repeated with the same seed sees the same data.
  expect(permutation(8, 42)).toEqual([2, 7, 1, 0, 6, 5, 3, 4])
})

it('the stream is uniform', () => {
  const uniform = uniformStream(7)
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < 20_000; i++) {
    const bin = Math.floor(uniform() * 10)
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  // Nine degrees of freedom: 27.9 is passed once in a thousand streams.
  const chi2 = counts.reduce((sum, n) => sum + (n - 2000) ** 2 / 2000, 0)
  expect(chi2).toBeLessThan(27.9)
})

it('sequential keeps the order', () => {
  expect(sampleOrder('sequential', { lengths: [3, 1, 2], batchSize: 2, seed: 1 })).toEqual([0, 1, 2])
})

it('group_by_length sorts pieces of 50 batches, longest first, the longest row of all in front', () => {
  const order = sampleOrder('group_by_length', { lengths, batchSize: 4, seed: 42 })
  expect(sorted(order)).toEqual(lengths.map((_, i) => i))
  const sizes = order.map((i) => lengths[i] ?? 0)
  expect(sizes[0]).toBe(Math.max(...lengths))
  // The first rows of two pieces were swapped, so every piece is compared without its first row.
  for (const piece of chunked(sizes, 50 * 4)) {
    const rest = piece.slice(1)
    expect(rest).toEqual([...rest].sort((a, b) => b - a))
  }
  const random = new Set(permutation(1003, 42).slice(0, 200))
  expect(order.slice(1, 200).every((i) => random.has(i))).toBe(true)
})

it('group_by_length makes at least four pieces of a small data set', () => {
  const order = sampleOrder('group_by_length', { lengths: lengths.slice(0, 32), batchSize: 2, seed: 3 })
  const sizes = order.map((i) => lengths[i] ?? 0)
  const rises = sizes.slice(1).filter((size, i) => size > (sizes[i] ?? 0)).length
  expect(rises).toBeGreaterThanOrEqual(3)
})

it('chunks, dropping the short last one when asked', () => {
  expect(chunked([1, 2, 3], 2)).toEqual([[1, 2], [3]])
  expect(chunked([1, 2, 3], 2, true)).toEqual([[1, 2]])
})
