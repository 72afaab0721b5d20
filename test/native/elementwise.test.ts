import { describe, expect, it } from 'vitest'
import {
  cpu,
  expectAbsolute,
  expectRelative,
  floatDTypes,
  native,
  normals,
  Output,
  read,
  rounded,
  running,
  tensor,
} from './harness'

const sizes: [number, number][] = [
  [1, 1],
  [63, 65],
  [65, 7],
  [4097, 33],
  [3, 4099],
]
/** One rounding of the result; float32 sums of a few thousand terms. */
const tolerance = { float32: 2e-6, bfloat16: 2.2e-3, float16: 4e-4 }

describe.each(floatDTypes)('%s', (dtype) => {
  const one = (n: number, seed: number): Float64Array => rounded(normals(n, seed), dtype)

  it.each(sizes)('add, add_bias, scale_rows on %i x %i', async (rows, cols) => {
    const a = one(rows * cols, 1)
    const b = one(rows * cols, 2)
    const bias = one(cols, 3)
    const scale = one(rows, 4)
    const [ta, tb] = [tensor(a, [rows, cols], dtype), tensor(b, [rows, cols], dtype)]
    const outs = [0, 1, 2, 3].map(() => new Output([rows, cols], dtype))
    native.add(ta, tb, outs[0]!.handle, -0.5)
    native.add_bias(ta, tensor(bias, [cols], dtype), outs[1]!.handle)
    native.scale_rows(ta, tensor(scale, [rows], dtype), outs[2]!.handle, false)
    native.scale_rows(ta, tensor(bias, [cols], dtype), outs[3]!.handle, true)
    const want = [
      a.map((v, i) => v - 0.5 * b[i]!),
      a.map((v, i) => v + bias[i % cols]!),
      a.map((v, i) => v * scale[Math.floor(i / cols)]!),
      a.map((v, i) => v * bias[i % cols]!),
    ]
    for (const [k, out] of outs.entries()) expectRelative(await out.read(), rounded(want[k]!, dtype), 1e-6)
  })

  it.each(sizes)('sum_rows, dot_columns, row_norm on %i x %i', async (rows, cols) => {
    const a = one(rows * cols, 5)
    const b = one(rows * cols, 6)
    const old = one(cols, 7)
    const [ta, tb] = [tensor(a, [rows, cols], dtype), tensor(b, [rows, cols], dtype)]
    const sums = new Float64Array(cols)
    const dots = new Float64Array(cols)
    const squares = new Float64Array(rows)
    for (let i = 0; i < a.length; i++) {
      sums[i % cols]! += a[i]!
      dots[i % cols]! += a[i]! * b[i]!
      squares[Math.floor(i / cols)]! += a[i]! ** 2
    }
    const fresh = new Output([cols], dtype)
    const accumulated = new Output([cols], dtype, old)
    const dot = new Output([cols], 'float32')
    const dotAccumulated = new Output([cols], 'float32', old)
    const norm = new Output([rows], dtype)
    native.sum_rows(ta, fresh.handle, 0)
    native.sum_rows(ta, accumulated.handle, 2)
    native.dot_columns(ta, tb, dot.handle, 0)
    native.dot_columns(ta, tb, dotAccumulated.handle, 1)
    native.row_norm(ta, norm.handle, false)
    expectRelative(await fresh.read(), sums, tolerance[dtype])
    expectRelative(
      await accumulated.read(),
      sums.map((v, j) => v + 2 * old[j]!),
      tolerance[dtype],
    )
    expectRelative(await dot.read(), dots, 2e-6)
    expectRelative(
      await dotAccumulated.read(),
      dots.map((v, j) => v + old[j]!),
      2e-6,
    )
    expectRelative(await norm.read(), squares.map(Math.sqrt), tolerance[dtype])
    native.row_norm(ta, norm.handle, true)
    expectRelative(
      await norm.read(),
      squares.map((v) => 1 / Math.sqrt(v)),
      tolerance[dtype],
    )
  })

  it('fills, and copies to every float dtype', async () => {
    const a = one(4097, 8)
    const filled = new Output([4097], dtype)
    native.fill(filled.handle, 1.5)
    expect((await filled.read()).every((v) => v === 1.5)).toBe(true)
    for (const to of floatDTypes) {
      const out = new Output([4097], to)
      native.copy(tensor(a, [4097], dtype), out.handle)
      expect(await out.read()).toEqual(rounded(a, to))
    }
  })

  it('copies into columns of a wider matrix, turned and scaled', async () => {
    for (const [rows, cols] of [
      [5, 3],
      [65, 1040],
    ] as const) {
      const a = one(rows * cols, 1)
      for (const to of floatDTypes)
        for (const transpose of [false, true]) {
          const [height, width] = transpose ? [cols, rows] : [rows, cols]
          const before = rounded(normals(height * (width + 4), 2), to)
          const out = tensor(before, [height, width + 4], to)
          native.copy_columns(tensor(a, [rows, cols], dtype), out, 3, transpose, 0.5)
          const want = before.slice()
          for (let i = 0; i < height; i++)
            for (let j = 0; j < width; j++)
              want[i * (width + 4) + 3 + j] = rounded(
                [0.5 * a[transpose ? j * cols + i : i * cols + j]!],
                to,
              )[0]!
          expect(await read(out, to)).toEqual(want)
        }
    }
    const [x, out] = [tensor(one(6, 1), [2, 3], dtype), new Output([2, 4], dtype).handle]
    expect(() => native.copy_columns(x, out, 2, false, 1)).toThrow(
      '[copy_columns] column: 3 columns from 2 on do not fit into 4',
    )
    expect(() => native.copy_columns(x, out, 0, true, 1)).toThrow(
      '[copy_columns] out: expected 3 rows, got shape (2, 4)',
    )
  })

  it('works in place', async () => {
    const a = one(5 * 1031, 9)
    const bias = one(1031, 10)
    const x = new Output([5, 1031], dtype, a)
    native.add(x.handle, x.handle, x.handle, 1)
    native.add_bias(x.handle, tensor(bias, [1031], dtype), x.handle)
    native.scale_rows(x.handle, tensor([2, 4, 8, 16, 32], [5], dtype), x.handle, false)
    const want = rounded(
      rounded(
        a.map((v) => 2 * v),
        dtype,
      ).map((v, i) => v + bias[i % 1031]!),
      dtype,
    )
    expectAbsolute(
      await x.read(),
      want.map((v, i) => v * 2 ** (1 + Math.floor(i / 1031))),
      0,
    )
  })

  it('gathers and scatters rows', async () => {
    const a = one(6 * 5, 11)
    const x = tensor(a, [6, 5], dtype)
    const index = [5, 0, 3]
    const picked = new Output([3, 5], dtype)
    native.gather_rows(x, tensor(index, [3], 'int32'), picked.handle)
    const want = index.flatMap((row) => [...a.slice(row * 5, row * 5 + 5)])
    expect([...(await picked.read())]).toEqual(want)
    const spread = new Output([6, 5], dtype)
    native.scatter_rows(picked.handle, tensor(index, [3], 'int32'), spread.handle)
    const got = await spread.read()
    for (let i = 0; i < 30; i++) expect(got[i]).toEqual(index.includes(Math.floor(i / 5)) ? a[i] : NaN)
  })

  it('adds rows in their order, repeated ones too, those with a negative index not', async () => {
    const a = one(6 * 5, 15)
    const sums = tensor(Array(20).fill(0.5), [4, 5])
    const index = [3, 0, -1, 3, 2, 3]
    native.add_rows(tensor(a, [6, 5], dtype), tensor(index, [6], 'int32'), sums)
    const want = Float32Array.from({ length: 20 }, () => 0.5)
    index.forEach((row, i) => {
      for (let j = 0; row >= 0 && j < 5; j++) want[row * 5 + j] = want[row * 5 + j]! + a[i * 5 + j]!
    })
    expect(Float32Array.from(await read(sums))).toEqual(want)
  })

  it('argmax_rows: the first of the largest; a NaN is none', async () => {
    const x = [1, 5, 5, -1, NaN, -3, -2, -2, NaN, NaN, NaN, NaN]
    const out = new Output([3], 'int32')
    native.argmax_rows(tensor(x, [3, 4], dtype), out.handle)
    expect([...(await out.read())]).toEqual([1, 2, 0])
    const wide = one(3 * 1003, 16)
    const best = new Output([3], 'int32')
    native.argmax_rows(tensor(wide, [3, 1003], dtype), best.handle)
    const rows = [0, 1, 2].map((i) => wide.slice(i * 1003, (i + 1) * 1003))
    expect([...(await best.read())]).toEqual(rows.map((row) => row.indexOf(Math.max(...row))))
  })
})

it('mixes float dtypes', async () => {
  const a = rounded(normals(2000, 12), 'bfloat16')
  const b = rounded(normals(2000, 13), 'float16')
  const out = new Output([2000], 'float32')
  native.add(tensor(a, [2000], 'bfloat16'), tensor(b, [2000], 'float16'), out.handle, 3)
  expectRelative(
    await out.read(),
    a.map((v, i) => v + 3 * b[i]!),
    1e-6,
  )
})

it('keeps NaN and infinity', async () => {
  const values = [NaN, Infinity, -Infinity, 3.4e38]
  for (const to of ['bfloat16', 'float16'] as const) {
    const out = new Output([4], to)
    native.copy(tensor(values, [4]), out.handle)
    expect([...(await out.read())]).toEqual([NaN, Infinity, -Infinity, Infinity])
  }
})

it('fills and copies integers', async () => {
  const bytes = new Output([70], 'uint8')
  const ints = new Output([70], 'int32')
  const copy = new Output([70], 'int32')
  native.fill(bytes.handle, 7)
  native.fill(ints.handle, -100)
  native.copy(ints.handle, copy.handle)
  expect((await bytes.read()).every((v) => v === 7)).toBe(true)
  expect((await copy.read()).every((v) => v === -100)).toBe(true)
  const long = native.tensor_empty(cpu, 'int64', [3])
  native.fill(long, -5)
  expect([...(await read(long, 'int64'))]).toEqual([-5, -5, -5])
})

it('accepts empty tensors', async () => {
  const x = tensor([], [0, 4])
  const sums = new Output([4])
  native.add(x, x, x, 1)
  native.sum_rows(x, sums.handle, 0)
  expect([...(await sums.read())]).toEqual([0, 0, 0, 0])
})

it('reports a row that does not exist, and works on afterwards', async () => {
  const x = tensor([1, 2, 3, 4], [2, 2])
  native.gather_rows(x, tensor([0, 2], [2], 'int32'), tensor([0, 0, 0, 0], [2, 2]))
  await expect(running()).rejects.toThrow('[gather_rows] index[1] is 2; x has 2 rows')
  native.scatter_rows(x, tensor([-1, 0], [2], 'int32'), tensor([0, 0, 0, 0], [2, 2]))
  await expect(running()).rejects.toThrow('[scatter_rows] index[0] is -1; out has 2 rows')
  native.add_rows(x, tensor([-1, 2], [2], 'int32'), tensor([0, 0, 0, 0], [2, 2]))
  await expect(running()).rejects.toThrow('[add_rows] index[1] is 2; out has 2 rows')
  await running()
})

it('checks arguments before anything runs', () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [2, 3])
  const y = tensor([1, 2, 3, 4, 5, 6], [3, 2])
  const ints = tensor([1, 2, 3], [3], 'int32')
  const row = tensor([1, 2, 3], [3])
  expect(() => native.fill(ints, 1.5)).toThrow(
    '[fill] value: expected an integer that int32 can hold, got 1.5',
  )
  expect(() => native.copy(ints, row)).toThrow('[copy] int32 cannot be converted to float32')
  expect(() => native.add(x, y, x, 1)).toThrow('[add] b: expected shape (2, 3), got (3, 2)')
  expect(() => native.add_bias(x, tensor([1, 2], [2]), x)).toThrow('[add_bias] bias: expected shape (3)')
  expect(() => native.sum_rows(x, ints, 0)).toThrow('[sum_rows] out: expected a float dtype, got int32')
  expect(() => native.scale_rows(x, row, x, false)).toThrow('[scale_rows] scale: expected 2 elements')
  expect(() => native.row_norm(x, row, false)).toThrow('[row_norm] out: expected 2 elements')
  expect(() => native.dot_columns(x, x, tensor([1], [1]), 0)).toThrow('[dot_columns] out: expected shape (3)')
  expect(() => native.gather_rows(x, row, x)).toThrow('[gather_rows] index: expected int32, got float32')
  expect(() => native.scatter_rows(x, ints, x)).toThrow('[scatter_rows] index: expected 2 elements')
  expect(() => native.add_rows(x, ints, x)).toThrow('[add_rows] index: expected 2 elements')
  expect(() => native.argmax_rows(x, row)).toThrow('[argmax_rows] out: expected int32, got float32')
})
