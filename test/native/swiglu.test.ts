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

/** For many elements; one alone may be twice as far. */
const tolerance = { float32: 1e-6, bfloat16: 2.5e-3, float16: 4e-4 }

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const silu = (x: number): number => x * sigmoid(x)
const siluSlope = (x: number): number => sigmoid(x) * (1 + x * (1 - sigmoid(x)))

describe.each(floatDTypes)('%s', (dtype) => {
  it.each([
    [1, 1],
    [63, 65],
    [65, 17],
    [4097, 3],
  ])('forward and backward on %i x %i', async (rows, cols) => {
    const shape = [rows, cols]
    const allowed = tolerance[dtype] * (rows === 1 ? 2 : 1)
    const [gate, up, dout] = [1, 2, 3].map((seed) =>
      rounded(
        normals(rows * cols, seed).map((v) => 2 * v),
        dtype,
      ),
    ) as [Float64Array, Float64Array, Float64Array]
    const [tg, tu, td] = [gate, up, dout].map((v) => tensor(v, shape, dtype)) as [never, never, never]
    const [out, dgate, dup] = [new Output(shape, dtype), new Output(shape, dtype), new Output(shape, dtype)]
    const [gateInPlace, upInPlace] = [new Output(shape, dtype, gate), new Output(shape, dtype, up)]
    native.swiglu_forward(tg, tu, out.handle)
    const again = new Output(shape, dtype, dout)
    const inPlace = [gateInPlace.handle, upInPlace.handle] as const
    native.swiglu_backward(td, tg, tu, dgate.handle, dup.handle, undefined)
    native.swiglu_backward(again.handle, ...inPlace, ...inPlace, again.handle)
    expectRelative(
      await out.read(),
      gate.map((g, k) => silu(g) * up[k]!),
      allowed,
    )
    expectRelative(
      await dgate.read(),
      gate.map((g, k) => dout[k]! * up[k]! * siluSlope(g)),
      allowed,
    )
    expectRelative(
      await dup.read(),
      gate.map((g, k) => dout[k]! * silu(g)),
      allowed,
    )
    expect(await gateInPlace.read()).toEqual(await dgate.read())
    expect(await upInPlace.read()).toEqual(await dup.read())
    expect(await again.read()).toEqual(await out.read())
  })
})

it('rounds silu to the dtype before it multiplies, as Hugging Face does', async () => {
  const n = 2000
  const [gate, up] = [rounded(normals(n, 4), 'bfloat16'), rounded(normals(n, 5), 'bfloat16')]
  const out = new Output([n], 'bfloat16')
  native.swiglu_forward(tensor(gate, [n], 'bfloat16'), tensor(up, [n], 'bfloat16'), out.handle)
  const want = rounded(
    rounded(gate.map(silu), 'bfloat16').map((v, k) => v * up[k]!),
    'bfloat16',
  )
  const got = await out.read()
  expect(want.filter((v, k) => v !== got[k]).length).toBeLessThanOrEqual(2)
})

it('the gradient is that of the forward', async () => {
  const n = 9
  const [gate, up, dout] = [6, 7, 8].map((seed) => rounded(normals(n, seed), 'float32')) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const [dgate, dup] = [new Output([n]), new Output([n])]
  native.swiglu_backward(
    tensor(dout, [n]),
    tensor(gate, [n]),
    tensor(up, [n]),
    dgate.handle,
    dup.handle,
    undefined,
  )
  const loss = (g: Float64Array, u: Float64Array): number =>
    g.reduce((sum, v, k) => sum + dout[k]! * silu(v) * u[k]!, 0)
  expectRelative(
    await dgate.read(),
    finiteDifferences((g) => loss(g, up), gate),
    1e-6,
  )
  expectRelative(
    await dup.read(),
    finiteDifferences((u) => loss(gate, u), up),
    1e-6,
  )
})

it('is exact to 3e-7 over the whole range, and saturates', async () => {
  const gate = rounded(
    Array.from({ length: 20_001 }, (_, k) => -87 + k * 0.0087),
    'float32',
  )
  const ones = tensor(new Float64Array(gate.length).fill(1), [gate.length])
  const out = new Output([gate.length])
  native.swiglu_forward(tensor(gate, [gate.length]), ones, out.handle)
  const got = await out.read()
  for (const [k, g] of gate.entries()) {
    const error = Math.abs(got[k]! - silu(g))
    // below e^-80 the result is a subnormal, which counts as zero
    if (!(error <= 4e-7 * Math.abs(silu(g)) + 2e-38))
      expect.fail(`silu(${g}) is ${got[k]}, expected ${silu(g)}`)
  }
  const edges = new Output([5])
  const edge = [-1e30, -200, 200, 1e30, NaN]
  native.swiglu_forward(tensor(edge, [5]), tensor([1, 1, 1, 1, 1], [5]), edges.handle)
  expect([...(await edges.read())].map((v) => v + 0)).toEqual([0, 0, 200, Math.fround(1e30), NaN])
})

it('checks arguments before anything runs', () => {
  const x = tensor([1, 2], [2])
  const y = tensor([1], [1])
  expect(() => native.swiglu_forward(x, y, x)).toThrow('[swiglu_forward] up: expected shape (2), got (1)')
  expect(() => native.swiglu_backward(x, x, x, x, y, undefined)).toThrow(
    '[swiglu_backward] dup: expected shape (2), got (1)',
  )
  expect(() => native.swiglu_forward(tensor([1], [1], 'int32'), y, y)).toThrow(
    '[swiglu_forward] gate: expected a float',
  )
})
