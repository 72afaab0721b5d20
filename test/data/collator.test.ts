import { describe, expect, it } from 'vitest'

import { collate, packPadded, unpackToPadded } from '../../src/data/collator'

describe('collate', () => {
  it('concatenates rows, restarts positions, counts targets inside each sequence', () => {
    const batch = collate([
      { input_ids: [5, 6, 7], labels: [-100, 6, 7] },
      { input_ids: Int32Array.of(8, 9) },
    ])
    expect(batch).toEqual({
      input_ids: Int32Array.of(5, 6, 7, 8, 9),
      labels: Int32Array.of(-100, 6, 7, 8, 9),
      position_ids: Int32Array.of(0, 1, 2, 0, 1),
      cu_seqlens: Int32Array.of(0, 3, 5),
      num_items: 3,
      num_sequences: 2,
      max_seqlen: 3,
    })
  })

  it('keeps the sequences of a packed row apart and leaves out empty ones', () => {
    const batch = collate([{ input_ids: [1, 2, 3, 4, 5], seq_lengths: [2, 0, 3] }, { input_ids: [] }])
    expect(Array.from(batch.cu_seqlens)).toEqual([0, 2, 5])
    expect(Array.from(batch.position_ids)).toEqual([0, 1, 0, 1, 2])
    expect(batch.num_items).toBe(3)
  })

  it('refuses lengths that disagree and a batch without tokens', () => {
    expect(() => collate([{ input_ids: [1, 2], labels: [1] }])).toThrow('row 0 has 2 input_ids and 1 labels')
    expect(() => collate([{ input_ids: [1, 2], seq_lengths: [1] }])).toThrow('add up to 1')
    expect(() => collate([{ input_ids: [] }])).toThrow('no tokens')
  })
})

describe('packPadded', () => {
  const pad = 2
  const inputs = {
    input_ids: [
      [1, 5, 2, pad, pad],
      [pad, pad, 1, 6, 2],
    ],
    attention_mask: [
      [1, 1, 1, 0, 0],
      [0, 0, 1, 1, 1],
    ],
  }

  it('drops padding on either side by position: an end token that is also the pad token stays', () => {
    const { batch, layout } = packPadded(inputs)
    expect(Array.from(batch.input_ids)).toEqual([1, 5, 2, 1, 6, 2])
    expect(Array.from(batch.labels)).toEqual([1, 5, 2, 1, 6, 2])
    expect(Array.from(batch.cu_seqlens)).toEqual([0, 3, 6])
    expect(Array.from(layout.positions)).toEqual([0, 1, 2, 7, 8, 9])
  })

  it('is undone by unpackToPadded', () => {
    const { layout } = packPadded(inputs)
    const values = Float32Array.from({ length: 12 }, (_, i) => i + 1)
    const padded = unpackToPadded(values, 2, layout, -1)
    expect(Array.from(padded.subarray(0, 10))).toEqual([1, 2, 3, 4, 5, 6, -1, -1, -1, -1])
    expect(Array.from(padded.subarray(10))).toEqual([-1, -1, -1, -1, 7, 8, 9, 10, 11, 12])
    expect(() => unpackToPadded(values, 3, layout)).toThrow('12 values for 6 tokens of 3')
  })

  it('takes the labels given and refuses shapes that disagree and rows of padding', () => {
    const labels = inputs.input_ids.map(() => [-100, 5, 2, -100, 7])
    expect(Array.from(packPadded({ ...inputs, labels }).batch.labels)).toEqual([-100, 5, 2, 2, -100, 7])
    expect(() => packPadded({ ...inputs, labels: [[1]] })).toThrow(
      'labels is 1 rows of 1, input_ids is (2, 5)',
    )
    expect(() => packPadded({ input_ids: [[1]], attention_mask: [[0]] })).toThrow('row 0 has no token')
  })
})
