import { describe, expect, it } from 'vitest'
import {
  expectRelative,
  finiteDifferences,
  floatDTypes,
  native,
  normals,
  Output,
  rounded,
  tensor,
} from './harness'

const tolerance = { float32: 1e-6, bfloat16: 2.5e-3, float16: 4e-4 }
const eps = 1e-5
const sizes: [number, number][] = [
  [1, 1],
  [63, 33],
  [65, 1025],
  [4097, 7],
]

function normalize(
  x: Float64Array,
  weight: Float64Array,
  cols: number,
): { out: Float64Array; rstd: Float64Array } {
  const rstd = new Float64Array(x.length / cols).map((_, i) => {
    const row = x.subarray(i * cols, (i + 1) * cols)
    return 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / cols + eps)
  })
  return { out: x.map((v, k) => v * rstd[Math.floor(k / cols)]! * weight[k % cols]!), rstd }
}

function gradients(
  dout: Float64Array,
  x: Float64Array,
  weight: Float64Array,
  cols: number,
): { dx: Float64Array; dweight: Float64Array } {
  const { rstd } = normalize(x, weight, cols)
  const dx = new Float64Array(x.length)
  const dweight = new Float64Array(cols)
  for (let i = 0; i < rstd.length; i++) {
    let mean = 0
    for (let j = 0, k = i * cols; j < cols; j++, k++) {
      mean += (dout[k]! * weight[j]! * x[k]! * rstd[i]!) / cols
      dweight[j]! += dout[k]! * x[k]! * rstd[i]!
    }
    for (let j = 0, k = i * cols; j < cols; j++, k++) {
      dx[k] = rstd[i]! * (dout[k]! * weight[j]! - x[k]! * rstd[i]! * mean)
    }
  }
  return { dx, dweight }
}

describe.each(floatDTypes)('%s', (dtype) => {
  it.each(sizes)('forward and backward on %i x %i', async (rows, cols) => {
    const shape = [rows, cols]
    const x = rounded(normals(rows * cols, 1), dtype)
    const weight = rounded(
      normals(cols, 2).map((v) => 1 + 0.2 * v),
      dtype,
    )
    const dout = rounded(normals(rows * cols, 3), dtype)
    const residual = rounded(normals(rows * cols, 4), dtype)
    const old = rounded(normals(cols, 5), 'float32')
    const [tx, tw, td] = [tensor(x, shape, dtype), tensor(weight, [cols], dtype), tensor(dout, shape, dtype)]
    const out = new Output(shape, dtype)
    const rstd = new Output([rows])
    const dx = new Output(shape, dtype)
    const dweight = new Output([cols], 'float32', old)
    const inPlace = new Output(shape, dtype, residual)
    const overGradient = new Output(shape, dtype, dout)
    native.rms_norm_forward(tx, tw, out.handle, rstd.handle, eps, 0, true)
    native.rms_norm_backward(td, tx, tw, rstd.handle, undefined, dx.handle, dweight.handle, 0)
    native.rms_norm_backward(td, tx, tw, rstd.handle, inPlace.handle, inPlace.handle, undefined, 0)
    native.rms_norm_backward(
      overGradient.handle,
      tx,
      tw,
      rstd.handle,
      undefined,
      overGradient.handle,
      dweight.handle,
      0,
    )
    const want = normalize(x, weight, cols)
    const grad = gradients(dout, x, weight, cols)
    expectRelative(await out.read(), want.out, tolerance[dtype])
    expectRelative(await rstd.read(), want.rstd, 1e-6)
    // One column: the gradient is a difference of equal numbers, all but eps cancels.
    if (cols > 1) expectRelative(await dx.read(), grad.dx, tolerance[dtype])
    expect(await overGradient.read()).toEqual(await dx.read())
    expectRelative(
      await inPlace.read(),
      grad.dx.map((v, k) => v + residual[k]!),
      tolerance[dtype],
    )
    // dweight accumulates: it was given twice
    expectRelative(
      await dweight.read(),
      grad.dweight.map((v, j) => 2 * v + old[j]!),
      4e-6,
    )
  })
})

it('rounds the normalized value before it multiplies by the weight, as Hugging Face does', async () => {
  const cols = 1031
  const x = rounded(normals(cols, 6), 'bfloat16')
  const weight = rounded(normals(cols, 7), 'float32')
  const out = new Output([1, cols])
  const rstd = new Output([1])
  native.rms_norm_forward(
    tensor(x, [1, cols], 'bfloat16'),
    tensor(weight, [cols]),
    out.handle,
    rstd.handle,
    eps,
    0,
    true,
  )
  const r = (await rstd.read())[0]!
  const normalized = rounded(
    x.map((v) => Math.fround(v * r)),
    'bfloat16',
  )
  expect(await out.read()).toEqual(normalized.map((v, j) => Math.fround(v * weight[j]!)))
})

it.each([0, 1])('rounds the product alone without round_first, of the weight + %f', async (offset) => {
  const cols = 1031
  const x = rounded(normals(cols, 6), 'bfloat16')
  const weight = rounded(normals(cols, 7), 'bfloat16')
  const [out, rstd] = [new Output([1, cols], 'bfloat16'), new Output([1])]
  const tensors = [tensor(x, [1, cols], 'bfloat16'), tensor(weight, [cols], 'bfloat16')] as const
  native.rms_norm_forward(...tensors, out.handle, rstd.handle, eps, offset, false)
  const r = (await rstd.read())[0]!
  const factors = weight.map((w) => Math.fround(w + offset))
  const want = rounded(
    x.map((v, j) => Math.fround(Math.fround(v * r) * factors[j]!)),
    'bfloat16',
  )
  expect(await out.read()).toEqual(want)
  const [dx, plain] = [new Output([1, cols]), new Output([1, cols])]
  const dout = tensor(normals(cols, 8), [1, cols])
  native.rms_norm_backward(dout, ...tensors, rstd.handle, undefined, dx.handle, undefined, offset)
  const shifted = tensor(factors, [cols])
  native.rms_norm_backward(dout, tensors[0], shifted, rstd.handle, undefined, plain.handle, undefined, 0)
  expect(await dx.read()).toEqual(await plain.read())
})

it('the gradient is that of the forward', async () => {
  const [rows, cols] = [3, 5]
  const [x, dout, weight] = [normals(15, 8), normals(15, 9), normals(5, 10)].map((v) =>
    rounded(v, 'float32'),
  ) as [Float64Array, Float64Array, Float64Array]
  const loss = (out: Float64Array): number => out.reduce((sum, v, k) => sum + v * dout[k]!, 0)
  const [tx, tw] = [tensor(x, [rows, cols]), tensor(weight, [cols])]
  const [out, rstd, dx] = [new Output([rows, cols]), new Output([rows]), new Output([rows, cols])]
  const dweight = new Output([cols], 'float32', new Float64Array(cols))
  native.rms_norm_forward(tx, tw, out.handle, rstd.handle, eps, 0, true)
  native.rms_norm_backward(
    tensor(dout, [rows, cols]),
    tx,
    tw,
    rstd.handle,
    undefined,
    dx.handle,
    dweight.handle,
    0,
  )
  expectRelative(
    await dx.read(),
    finiteDifferences((v) => loss(normalize(v, weight, cols).out), x),
    1e-6,
  )
  expectRelative(
    await dweight.read(),
    finiteDifferences((w) => loss(normalize(x, w, cols).out), weight),
    1e-6,
  )
})

it('checks arguments before anything runs', () => {
  const x = tensor([1, 2, 3, 4], [2, 2])
  const row = tensor([1, 2], [2])
  expect(() => native.rms_norm_forward(x, tensor([1], [1]), x, row, eps, 0, true)).toThrow(
    '[rms_norm_forward] weight: expected shape (2), got (1)',
  )
  expect(() => native.rms_norm_forward(x, row, row, row, eps, 0, true)).toThrow(
    '[rms_norm_forward] out: expected shape (2, 2)',
  )
  expect(() =>
    native.rms_norm_backward(x, x, row, tensor([1, 2], [2], 'bfloat16'), undefined, x, undefined, 0),
  ).toThrow('[rms_norm_backward] rstd: expected float32, got bfloat16')
  expect(() => native.rms_norm_backward(x, x, row, row, row, x, undefined, 0)).toThrow(
    '[rms_norm_backward] residual',
  )
  expect(() => native.rms_norm_backward(x, x, row, row, undefined, x, x, 0)).toThrow(
    '[rms_norm_backward] dweight',
  )
})
