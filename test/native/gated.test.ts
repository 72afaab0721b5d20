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
const inner = (x: number): number => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)
/** As torch's gelu with approximate='tanh'; sigmoid(2u) is (1 + tanh(u)) / 2 without its cancellation. */
const gelu = (x: number): number => x * sigmoid(2 * inner(x))

const activations = [
  {
    forward: 'swiglu_forward' as const,
    backward: 'swiglu_backward' as const,
    f: (x: number) => x * sigmoid(x),
    slope: (x: number) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
    range: Array.from({ length: 20_001 }, (_, k) => -87 + k * 0.0087),
    /** Relative error of the forward. */
    bound: () => 4e-7,
    huge: 1e30,
  },
  {
    forward: 'geglu_forward' as const,
    backward: 'geglu_backward' as const,
    f: gelu,
    slope: (x: number) => {
      const s = sigmoid(2 * inner(x))
      return s + x * s * (1 - s) * 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x ** 2)
    },
    range: Array.from({ length: 16_001 }, (_, k) => -8 + k * 0.001),
    // A rounding of the exponent counts as often as the exponent is large.
    bound: (x: number) => 4e-7 * (1 + Math.abs(2 * inner(x))),
    huge: 1e10,
  },
]

describe.each(activations)('$forward', ({ forward, backward, f, slope, range, bound, huge }) => {
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
      native[forward](tg, tu, out.handle)
      const again = new Output(shape, dtype, dout)
      const inPlace = [gateInPlace.handle, upInPlace.handle] as const
      native[backward](td, tg, tu, dgate.handle, dup.handle, undefined)
      native[backward](again.handle, ...inPlace, ...inPlace, again.handle)
      expectRelative(
        await out.read(),
        gate.map((g, k) => f(g) * up[k]!),
        allowed,
      )
      expectRelative(
        await dgate.read(),
        gate.map((g, k) => dout[k]! * up[k]! * slope(g)),
        allowed,
      )
      expectRelative(
        await dup.read(),
        gate.map((g, k) => dout[k]! * f(g)),
        allowed,
      )
      expect(await gateInPlace.read()).toEqual(await dgate.read())
      expect(await upInPlace.read()).toEqual(await dup.read())
      expect(await again.read()).toEqual(await out.read())
    })
  })

  it('rounds it to the dtype before it multiplies, as Hugging Face does', async () => {
    const n = 2000
    const [gate, up] = [rounded(normals(n, 4), 'bfloat16'), rounded(normals(n, 5), 'bfloat16')]
    const out = new Output([n], 'bfloat16')
    native[forward](tensor(gate, [n], 'bfloat16'), tensor(up, [n], 'bfloat16'), out.handle)
    const want = rounded(
      rounded(gate.map(f), 'bfloat16').map((v, k) => v * up[k]!),
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
    native[backward](
      tensor(dout, [n]),
      tensor(gate, [n]),
      tensor(up, [n]),
      dgate.handle,
      dup.handle,
      undefined,
    )
    const loss = (g: Float64Array, u: Float64Array): number =>
      g.reduce((sum, v, k) => sum + dout[k]! * f(v) * u[k]!, 0)
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

  it('is exact over the whole range, and saturates', async () => {
    const gate = rounded(range, 'float32')
    const ones = tensor(new Float64Array(gate.length).fill(1), [gate.length])
    const out = new Output([gate.length])
    native[forward](tensor(gate, [gate.length]), ones, out.handle)
    const got = await out.read()
    for (const [k, g] of gate.entries()) {
      const error = Math.abs(got[k]! - f(g))
      // A result below e^-80 is a subnormal, which counts as zero.
      if (!(error <= bound(g) * Math.abs(f(g)) + 2e-38))
        expect.fail(`${forward}(${g}) is ${got[k]}, expected ${f(g)}`)
    }
    const edges = new Output([5])
    const edge = [-huge, -200, 200, huge, NaN]
    native[forward](tensor(edge, [5]), tensor([1, 1, 1, 1, 1], [5]), edges.handle)
    expect([...(await edges.read())].map((v) => v + 0)).toEqual([0, 0, 200, Math.fround(huge), NaN])
  })

  it('checks arguments before anything runs', () => {
    const x = tensor([1, 2], [2])
    const y = tensor([1], [1])
    expect(() => native[forward](x, y, x)).toThrow(`[${forward}] up: expected shape (2), got (1)`)
    expect(() => native[backward](x, x, x, x, y, undefined)).toThrow(
      `[${backward}] dup: expected shape (2), got (1)`,
    )
    expect(() => native[forward](tensor([1], [1], 'int32'), y, y)).toThrow(
      `[${forward}] gate: expected a float`,
    )
  })
})

it('gelu is the formula with tanh', () => {
  for (const x of [-3, -0.5, 0, 0.1, 2])
    expect(gelu(x)).toBeCloseTo(
      (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
      12,
    )
})
