import { describe, expect, it } from 'vitest'

import { collate } from '../../src/data/collator'

describe('collate', () => {
  it('concatenates rows, restarts positions', () => {
    const batch = collate([
      { input_ids: [5, 6, 7], labels: [-100, 6, 7] },
      { input_ids: Int32Array.of(8, 9) },
    ])
    expect(batch).toEqual({
      input_ids: Int32Array.of(5, 6, 7, 8, 9),
      labels: Int32Array.of(-100, 6, 7, 8, 9),
      position_ids: Int32Array.of(0, 1, 2, 0, 1),
      cu_seqlens: Int32Array.of(0, 3, 5),
    })
  })

  it('keeps the sequences of a packed row apart and leaves out empty ones', () => {
    const batch = collate([{ input_ids: [1, 2, 3, 4, 5], seq_lengths: [2, 0, 3] }, { input_ids: [] }])
    expect(Array.from(batch.cu_seqlens)).toEqual([0, 2, 5])
    expect(Array.from(batch.position_ids)).toEqual([0, 1, 0, 1, 2])
  })

  it('refuses lengths that disagree and a batch without tokens', () => {
    expect(() => collate([{ input_ids: [1, 2], labels: [1] }])).toThrow('row 0 has 2 input_ids and 1 labels')
    expect(() => collate([{ input_ids: [1, 2], seq_lengths: [1] }])).toThrow('add up to 1')
    expect(() => collate([{ input_ids: [] }])).toThrow('no tokens')
  })
})
