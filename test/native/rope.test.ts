import { describe, expect, it } from 'vitest'
import { expectRelative, floatDTypes, native, normals, Output, rounded, tensor } from './harness'
import type { FloatDType } from '../../src/tensor/dtype'

const tolerance = { float32: 1e-6, bfloat16: 2.5e-3, float16: 4e-4 }

function frequencies(headDim: number, theta = 10000): Float64Array {
  return rounded(
    Array.from({ length: headDim / 2 }, (_, j) => theta ** ((-2 * j) / headDim)),
    'float32',
  )
}

/** cos and sin of a token's angles, angle = float32 product, rounded to dtype as Hugging Face does. */
function rotation(
  position: number,
  freq: Float64Array,
  scaling: number,
  dtype: FloatDType,
): [Float64Array, Float64Array] {
  const angle = freq.map((f) => Math.fround(position * f))
  return [
    rounded(
      angle.map((a) => Math.cos(a) * scaling),
      dtype,
    ),
    rounded(
      angle.map((a) => Math.sin(a) * scaling),
      dtype,
    ),
  ]
}

function rotate(
  x: Float64Array,
  positions: number[],
  headDim: number,
  scaling: number,
  dtype: FloatDType,
  sign = 1,
): Float64Array {
  const half = headDim / 2
  const cols = x.length / positions.length
  const freq = frequencies(headDim)
  const out = new Float64Array(x.length)
  for (const [t, position] of positions.entries()) {
    const [cosine, sine] = rotation(position, freq, scaling, dtype)
    for (let head = t * cols; head < (t + 1) * cols; head += headDim) {
      for (let j = 0; j < half; j++) {
        const [a, b] = [x[head + j]!, x[head + half + j]!]
        out[head + j] = a * cosine[j]! - b * sine[j]! * sign
        out[head + half + j] = b * cosine[j]! + a * sine[j]! * sign
      }
    }
  }
  return out
}

describe.each(floatDTypes)('%s', (dtype) => {
  it.each([
    [1, 1, 2],
    [63, 3, 64],
    [65, 2, 128],
    [4097, 1, 10],
  ])('%i tokens, %i heads of %i, forward and inverse', async (tokens, heads, headDim) => {
    const shape = [tokens, heads * headDim]
    const x = rounded(normals(tokens * heads * headDim, 1), dtype)
    const positions = Array.from({ length: tokens }, (_, t) => (t * 7) % 5000)
    const arguments_ = [
      tensor(positions, [tokens], 'int32'),
      tensor(frequencies(headDim), [headDim / 2]),
    ] as const
    const out = new Output(shape, dtype)
    const back = new Output(shape, dtype)
    const inPlace = new Output(shape, dtype, x)
    native.rope(tensor(x, shape, dtype), ...arguments_, out.handle, headDim, 1.25, false)
    native.rope(tensor(x, shape, dtype), ...arguments_, back.handle, headDim, 1.25, true)
    native.rope(inPlace.handle, ...arguments_, inPlace.handle, headDim, 1.25, false)
    expectRelative(await out.read(), rotate(x, positions, headDim, 1.25, dtype), tolerance[dtype])
    expectRelative(await back.read(), rotate(x, positions, headDim, 1.25, dtype, -1), tolerance[dtype])
    expect(await inPlace.read()).toEqual(await out.read())
  })
})

it('rounds cos, sin, both products and the sum to bfloat16, as Hugging Face does', async () => {
  const headDim = 64
  const positions = [0, 1, 77, 4095]
  const x = rounded(normals(4 * headDim, 2), 'bfloat16')
  const out = new Output([4, headDim], 'bfloat16')
  native.rope(
    tensor(x, [4, headDim], 'bfloat16'),
    tensor(positions, [4], 'int32'),
    tensor(frequencies(headDim), [headDim / 2]),
    out.handle,
    headDim,
    1,
    false,
  )
  const bf16 = (v: number): number => rounded([v], 'bfloat16')[0]!
  const want = positions.flatMap((position, t) => {
    const [cosine, sine] = rotation(position, frequencies(headDim), 1, 'bfloat16')
    return Array.from({ length: headDim }, (_, j) => {
      const partner = j < 32 ? -x[t * headDim + j + 32]! : x[t * headDim + j - 32]!
      return bf16(bf16(x[t * headDim + j]! * cosine[j % 32]!) + bf16(partner * sine[j % 32]!))
    })
  })
  const got = await out.read()
  // cos and sin near a rounding boundary may fall to either side
  const different = want.filter((v, k) => v !== got[k]).length
  expect(different).toBeLessThanOrEqual(2)
  expectRelative(got, want, 1e-3)
})

it('stays exact at positions far beyond a context', async () => {
  const headDim = 128
  const positions = [131071, 1000003, 16777215]
  const x = rounded(normals(3 * headDim, 3), 'float32')
  const out = new Output([3, headDim])
  native.rope(
    tensor(x, [3, headDim]),
    tensor(positions, [3], 'int32'),
    tensor(frequencies(headDim), [64]),
    out.handle,
    headDim,
    1,
    false,
  )
  expectRelative(await out.read(), rotate(x, positions, headDim, 1, 'float32'), 1e-6)
})

it('the inverse is the transpose: (R x) . y = x . (R^-1 y)', async () => {
  const [x, y] = [normals(5 * 32, 4), normals(5 * 32, 5)].map((v) => rounded(v, 'float32')) as [
    Float64Array,
    Float64Array,
  ]
  const positions = tensor([0, 3, 9, 27, 1000], [5], 'int32')
  const freq = tensor(frequencies(16), [8])
  const [rx, ry] = [new Output([5, 32]), new Output([5, 32])]
  native.rope(tensor(x, [5, 32]), positions, freq, rx.handle, 16, 1.5, false)
  native.rope(tensor(y, [5, 32]), positions, freq, ry.handle, 16, 1.5, true)
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, k) => sum + v * b[k]!, 0)
  expect(Math.abs(dot(await rx.read(), y) - dot(x, await ry.read()))).toBeLessThan(1e-5)
})

it.each([
  [16, 3],
  [24, 8],
])(
  'turns the first numbers of a head of %i that have one of %i frequencies, and leaves the others',
  async (headDim, pairs) => {
    const heads = 2
    const positions = [0, 5, 91]
    const x = rounded(normals(3 * heads * headDim, 6), 'float32')
    const freq = rounded(
      Array.from({ length: pairs }, (_, j) => 0.9 ** j),
      'float32',
    )
    const shape = [3, heads * headDim]
    const [out, inPlace] = [new Output(shape), new Output(shape, 'float32', x)]
    const more = [tensor(positions, [3], 'int32'), tensor(freq, [pairs])] as const
    native.rope(tensor(x, shape), ...more, out.handle, headDim, 1.25, false)
    native.rope(inPlace.handle, ...more, inPlace.handle, headDim, 1.25, false)
    const want = x.map((v, k) => {
      const j = k % headDim
      if (j >= 2 * pairs) return v
      const angle = Math.fround(positions[Math.floor(k / (heads * headDim))]! * freq[j % pairs]!)
      const partner = j < pairs ? -x[k + pairs]! : x[k - pairs]!
      return 1.25 * (v * Math.cos(angle) + partner * Math.sin(angle))
    })
    expectRelative(await out.read(), want, 1e-6)
    expect(await inPlace.read()).toEqual(await out.read())
  },
)

it('checks arguments before anything runs', () => {
  const x = tensor(new Float64Array(12), [2, 6])
  const positions = tensor([0, 1], [2], 'int32')
  const freq = tensor([1], [1])
  expect(() => native.rope(x, positions, freq, x, 4, 1, false)).toThrow('is not a multiple of head_dim 4')
  expect(() => native.rope(x, positions, freq, x, 3, 1, false)).toThrow(
    '[rope] head_dim: expected an even number, got 3',
  )
  expect(() => native.rope(x, freq, freq, x, 2, 1, false)).toThrow('[rope] positions: expected int32')
  expect(() => native.rope(x, tensor([1], [1], 'int32'), freq, x, 2, 1, false)).toThrow(
    '[rope] positions: expected 2 elements',
  )
  expect(() => native.rope(x, positions, tensor([1, 1, 1, 1], [4]), x, 6, 1, false)).toThrow(
    '[rope] inv_freq: expected 1 to 3 elements, half a head, got 4',
  )
})
