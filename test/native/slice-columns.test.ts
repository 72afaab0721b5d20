import { expect, it } from 'vitest'
import { native, normals, Output, rounded, tensor } from './harness'

it.each([
  [1, 1, 0, 1],
  [63, 33, 32, 1],
  [65, 48, 8, 16],
  [4097, 7, 2, 4],
])('of %i x %i from column %i on, %i', async (rows, cols, column, width) => {
  for (const dtype of ['float32', 'bfloat16'] as const) {
    const x = rounded(normals(rows * cols, 1), dtype)
    const out = new Output([rows, width], dtype)
    native.slice_columns(tensor(x, [rows, cols], dtype), out.handle, column)
    const want = Float64Array.from(
      { length: rows * width },
      (_, k) => x[Math.floor(k / width) * cols + column + (k % width)]!,
    )
    expect(await out.read()).toEqual(want)
  }
})

it('checks arguments before anything runs', () => {
  const x = tensor([1, 2, 3, 4], [2, 2])
  const one = tensor([1, 2], [2, 1])
  expect(() => native.slice_columns(x, one, 2)).toThrow(
    '[slice_columns] column: there are no 1 columns from 2 on in 2',
  )
  expect(() => native.slice_columns(x, one, -1)).toThrow('[slice_columns] column')
  expect(() => native.slice_columns(x, tensor([1], [1, 1]), 0)).toThrow(
    '[slice_columns] out: expected shape (2, 1)',
  )
  expect(() => native.slice_columns(x, tensor([1, 2], [2, 1], 'bfloat16'), 0)).toThrow(
    '[slice_columns] out: expected float32',
  )
  expect(() => native.slice_columns(x, x, 0)).toThrow('[slice_columns] out: expected memory apart from x')
})
