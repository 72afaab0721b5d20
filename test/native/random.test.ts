import { expect, it } from 'vitest'
import { expectRelative, floatDTypes, native, normals, Output, rounded, tensor } from './harness'

/** Philox4x32-10 in plain arithmetic: four words for a counter of four words and a key of two. */
function philox(counter: number[], key: number[]): number[] {
  let [a, b, c, d] = counter.map(BigInt) as [bigint, bigint, bigint, bigint]
  let [k0, k1] = key.map(BigInt) as [bigint, bigint]
  const low = (x: bigint): bigint => x & 0xffffffffn
  for (let round = 0; round < 10; round++) {
    const p = a * 0xd2511f53n
    const q = c * 0xcd9e8d57n
    ;[a, b, c, d] = [(q >> 32n) ^ b ^ k0, low(q), (p >> 32n) ^ d ^ k1, low(p)]
    k0 = low(k0 + 0x9e3779b9n)
    k1 = low(k1 + 0xbb67ae85n)
  }
  return [a, b, c, d].map(Number)
}

/** Element i of a stream as a number in [0, 1). */
function unit(i: number, seed: number, stream: number, substream = 0): number {
  const words = philox(
    [Math.floor(i / 4), stream, substream, 0],
    [seed % 2 ** 32, Math.floor(seed / 2 ** 32)],
  )
  return (words[i % 4]! >>> 8) / 2 ** 24
}

async function uniforms(n: number, seed: number, stream: number): Promise<Float64Array> {
  const out = new Output([n])
  native.random_uniform(out.handle, 0, 1, seed, stream)
  return out.read()
}

it('the reference gives the known answers of Random123', () => {
  const hex = (words: number[]): string[] => words.map((w) => w.toString(16).padStart(8, '0'))
  const ones = 0xffffffff
  expect(hex(philox([0, 0, 0, 0], [0, 0]))).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8'])
  expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toEqual([
    '408f276d',
    '41c83b0e',
    'a20bc7c6',
    '6d5451fd',
  ])
})

it.each([
  [0, 0],
  [42, 7],
  [2 ** 40 + 5, 2 ** 32 - 1],
])('uniform numbers are the words of the counters, seed %i stream %i', async (seed, stream) => {
  const got = await uniforms(4097, seed, stream)
  expect([...got]).toEqual(Array.from({ length: 4097 }, (_, i) => unit(i, seed, stream)))
})

it('uniform numbers fill [low, high) evenly', async () => {
  const n = 200_000
  const out = new Output([n])
  native.random_uniform(out.handle, -3, 5, 1, 2)
  const x = await out.read()
  expect(x.every((v) => v >= -3 && v < 5)).toBe(true)
  const bins = new Float64Array(16)
  for (const v of x) bins[Math.floor((v + 3) * 2)]! += 1
  const expected = n / 16
  const chiSquared = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  expect(chiSquared).toBeLessThan(45) // 15 degrees of freedom: 1 in 10,000
})

it('normal numbers are Box-Muller pairs of the same words', async () => {
  const out = new Output([4097])
  native.random_normal(out.handle, 0.5, 2, 3, 4)
  const want = Float64Array.from({ length: 4097 }, (_, i) => {
    const even = i - (i % 2)
    const radius = Math.sqrt(-2 * Math.log(1 - unit(even, 3, 4)))
    const angle = 2 * Math.PI * unit(even + 1, 3, 4)
    return 0.5 + 2 * radius * (i % 2 ? Math.sin(angle) : Math.cos(angle))
  })
  expectRelative(await out.read(), want, 1e-6)
})

it('normal numbers have the moments asked for', async () => {
  const n = 200_000
  const out = new Output([n])
  native.random_normal(out.handle, -1, 3, 9, 1)
  const z = (await out.read()).map((v) => (v + 1) / 3)
  const moment = (k: number): number => z.reduce((sum, v) => sum + v ** k, 0) / n
  const sigma = 5 / Math.sqrt(n)
  expect(Math.abs(moment(1))).toBeLessThan(sigma)
  expect(Math.abs(moment(2) - 1)).toBeLessThan(sigma * Math.sqrt(2))
  expect(Math.abs(moment(3))).toBeLessThan(sigma * Math.sqrt(15))
  expect(Math.abs(moment(4) - 3)).toBeLessThan(sigma * Math.sqrt(96))
})

it.each(floatDTypes)('dropout keeps or scales each element of %s', async (dtype) => {
  const n = 4097
  const x = rounded(normals(n, 1), dtype)
  const out = new Output([n], dtype)
  native.dropout(tensor(x, [n], dtype), out.handle, 0.1, 5, 6, 7)
  const want = rounded(
    x.map((v, i) => (unit(i, 5, 6, 7) >= 0.1 ? v / 0.9 : 0)),
    dtype,
  )
  expectRelative(await out.read(), want, 1e-6)
})

it('dropout with p = 0 copies', async () => {
  const x = rounded(normals(1000, 2), 'float32')
  const out = new Output([1000])
  native.dropout(tensor(x, [1000]), out.handle, 0, 1, 2, 3)
  expect(await out.read()).toEqual(x)
})

it('the mask depends on seed, stream and substream and on nothing else, and its rate is p', async () => {
  const n = 100_000
  const mask = async (seed: number, stream: number, substream: number): Promise<Float64Array> => {
    const x = new Output([n], 'float32', new Float64Array(n).fill(1))
    native.dropout(x.handle, x.handle, 0.25, seed, stream, substream)
    return (await x.read()).map((v) => (v === 0 ? 0 : 1))
  }
  const first = await mask(1, 2, 3)
  native.set_num_threads(native.open_device('cpu'), 1)
  expect(await mask(1, 2, 3)).toEqual(first)
  native.set_num_threads(native.open_device('cpu'), 3)
  expect(await mask(1, 2, 3)).toEqual(first)
  const dropped = n - first.reduce((sum, v) => sum + v, 0)
  expect(Math.abs(dropped - n / 4)).toBeLessThan(5 * Math.sqrt(n * 0.25 * 0.75))
  for (const other of [await mask(2, 2, 3), await mask(1, 3, 3), await mask(1, 2, 4)]) {
    const equal = other.reduce((sum, v, i) => sum + (v === first[i] ? 1 : 0), 0)
    // independent masks agree on p^2 + (1 - p)^2 of the elements
    expect(Math.abs(equal - n * 0.625)).toBeLessThan(5 * Math.sqrt(n * 0.625 * 0.375))
  }
})

it('checks arguments before anything runs', () => {
  const x = tensor([1, 2], [2])
  expect(() => native.dropout(x, x, 1, 0, 0, 0)).toThrow('[dropout] p: expected 0 <= p < 1, got 1')
  expect(() => native.dropout(x, x, NaN, 0, 0, 0)).toThrow('[dropout] p')
  expect(() => native.dropout(x, tensor([1], [1]), 0.1, 0, 0, 0)).toThrow('[dropout] out: expected shape (2)')
  expect(() => native.dropout(x, x, 0.1, 0, -1, 0)).toThrow(
    '[dropout] stream: expected 0 to 2^32 - 1, got -1',
  )
  expect(() => native.dropout(x, x, 0.1, 0, 0, 2 ** 32)).toThrow('[dropout] substream')
  expect(() => native.random_uniform(x, 1, 0, 0, 0)).toThrow('[random_uniform] expected low <= high')
  expect(() => native.random_normal(x, 0, -1, 0, 0)).toThrow('[random_normal] std')
  expect(() => native.random_normal(tensor([1], [1], 'int32'), 0, 1, 0, 0)).toThrow(
    'expected a float dtype, got int32',
  )
})
