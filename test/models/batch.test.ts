import { expect, it } from 'vitest'
import { alignBatch, countTargets, type PackedBatch } from '../../src/models/batch'

const batchOf = (tokens: number): PackedBatch => ({
  input_ids: Int32Array.from({ length: tokens }, (_, t) => 1 + (t % 7)),
  labels: Int32Array.from({ length: tokens }, (_, t) => 1 + (t % 7)),
  position_ids: Int32Array.from({ length: tokens }, (_, t) => t),
  cu_seqlens: Int32Array.of(0, tokens),
})

it('a batch is filled up by a sequence of its own, without targets', () => {
  const batch = batchOf(5)
  const aligned = alignBatch(batch, 8)
  expect([...aligned.input_ids]).toEqual([1, 2, 3, 4, 5, 0, 0, 0])
  expect([...aligned.labels]).toEqual([1, 2, 3, 4, 5, -100, -100, -100])
  expect([...aligned.position_ids]).toEqual([0, 1, 2, 3, 4, 0, 1, 2])
  expect([...aligned.cu_seqlens]).toEqual([0, 5, 8])
  expect(countTargets(aligned)).toBe(countTargets(batch))
})

it('a batch that fits is left alone', () => {
  const batch = batchOf(16)
  expect(alignBatch(batch, 8)).toBe(batch)
  expect(alignBatch(batch, 1)).toBe(batch)
})

it('a batch may be longer than a call may have arguments', () => {
  const aligned = alignBatch(batchOf(200_001), 8)
  expect(aligned.input_ids.length).toBe(200_008)
  expect(aligned.input_ids[200_000]).toBe(1 + (200_000 % 7))
  expect([...aligned.cu_seqlens]).toEqual([0, 200_001, 200_008])
})
