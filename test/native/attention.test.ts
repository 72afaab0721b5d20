import { afterAll, describe, expect, it } from 'vitest'
import { addon } from '../../src/native/addon'
import { Device } from '../../src/tensor/device'
import { Tensor } from '../../src/tensor/tensor'
import { backward, forward, type Problem } from './attention-reference'
import { randoms, run, type Case } from './attention-run'

const device = Device.get('cpu')
const threads = Number(device.info['num_threads'])
afterAll(() => device.setNumThreads(threads))

/** Frobenius ratio; root mean square where zeros are expected. */
function error(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, norm] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2
    norm += expected[i]! ** 2
  }
  return Math.sqrt(difference / (norm || Math.max(1, expected.length)))
}

const tolerance = {
  float32: { out: 1e-6, dq: 3e-6, dk: 3e-6, dv: 3e-6 },
  bfloat16: { out: 3e-3, dq: 8e-3, dk: 8e-3, dv: 5e-3 },
  float16: { out: 5e-4, dq: 1.5e-3, dk: 1.5e-3, dv: 1e-3 },
}

async function check(c: Case): Promise<void> {
  const got = await run(c)
  const limits = tolerance[c.dtype ?? 'float32']
  const expected = forward(got.problem)
  expect(error(got.out, expected.out)).toBeLessThanOrEqual(limits.out)
  let worst = 0
  expected.lse.forEach((x, i) => {
    const difference = x === got.lse[i] ? 0 : Math.abs(got.lse[i]! - x)
    if (!(difference <= worst)) worst = difference
  })
  expect(worst).toBeLessThanOrEqual(1e-5)
  if (c.keys) return
  const grads = backward(got.problem)
  for (const name of ['dq', 'dk', 'dv'] as const)
    expect(error(got[name], grads[name]), name).toBeLessThanOrEqual(limits[name])
}

const each = (cases: Case[], title: string): void => it.each(cases)(title, check)

describe('equals the float64 reference', () => {
  const lengths = [[1], [63], [64], [65], [1, 63, 2, 65, 130, 1], [200], [0, 5, 0], []]
  each(
    lengths.map((queries) => ({ queries })),
    'lengths $queries',
  )
  each([{ queries: [4097], heads: 1, kvHeads: 1, dim: 8 }], 'length $queries')
  each(
    [1, 2, 3, 4, 6].map((ratio) => ({ queries: [70, 9], heads: ratio * 2, kvHeads: 2 })),
    '$heads heads on $kvHeads',
  )
  each(
    [8, 24, 32, 64, 80, 96, 128, 256].map((dim) => ({ queries: [67, 20], dim })),
    'head size $dim',
  )
  each(
    [1, 3, 64, 65, 100, 1000].map((window) => ({ queries: [150, 40], window })),
    'window $window',
  )
  each(
    [0.5, 3, 50].flatMap((softcap) => [
      { queries: [150, 40], softcap },
      { queries: [70], softcap, window: 9, dim: 256, heads: 2, kvHeads: 1 },
      { queries: [1], keys: [200], softcap },
    ]),
    'softcap $softcap, window $window, keys $keys',
  )
  each(
    [
      { queries: [1], keys: [1000] },
      { queries: [1], keys: [1000], dim: 64 },
      { queries: [1, 1, 1], keys: [1, 65, 300], heads: 6 },
      { queries: [5, 70], keys: [133, 75] },
      { queries: [1, 3], keys: [200, 90], window: 17 },
      { queries: [4, 2], keys: [1, 2] },
      { queries: [3, 2], keys: [0, 5] },
    ],
    'queries $queries on keys $keys',
  )
  each(
    (['bfloat16', 'float16'] as const).map((dtype) => ({ queries: [100, 1, 65], heads: 6, dim: 64, dtype })),
    '$dtype storage',
  )
})

it('a query that sees no key gives 0 and lse -infinity', async () => {
  const { out, lse } = await run({ queries: [4], keys: [2], heads: 1, kvHeads: 1, dim: 8 })
  expect(Array.from(out.subarray(0, 16))).toEqual(Array(16).fill(0))
  expect(Array.from(lse.subarray(0, 2))).toEqual([-Infinity, -Infinity])
  expect(out.subarray(16).every((x) => Number.isFinite(x) && x !== 0)).toBe(true)
})

it('stays finite with scores in the tens of thousands, and the largest wins', async () => {
  const c = { queries: [80], heads: 1, kvHeads: 1, dim: 8 }
  const { problem } = await run(c)
  const times = (x: ArrayLike<number>, factor: number): Float32Array =>
    Float32Array.from(x, (y) => y * factor)
  const large = { ...problem, q: times(problem.q, 300), k: times(problem.k, 30) }
  const got = await run(c, large)
  expect(error(got.out, forward(large).out)).toBeLessThanOrEqual(1e-3)
  for (const list of [got.dq, got.dk, got.dv]) expect(list.every(Number.isFinite)).toBe(true)
})

it('a NaN reaches the queries that see it and no other', async () => {
  const c = { queries: [70], heads: 1, kvHeads: 1, dim: 8 }
  const { problem } = await run(c)
  const k = Float32Array.from(problem.k)
  new Uint32Array(k.buffer)[40 * 8] = 0xffffffff // with a payload, as uninitialised memory might be
  const { out } = await run(c, { ...problem, k })
  expect(Array.from({ length: 70 }, (_, i) => Number.isNaN(out[i * 8]))).toEqual(
    Array.from({ length: 70 }, (_, i) => i >= 40),
  )
})

it('the reference gradients are finite differences of the reference forward', () => {
  const numbers = {
    queries: [4, 3],
    keys: [4, 3],
    heads: 2,
    kvHeads: 1,
    dim: 8,
    scale: 0.35,
    window: 3,
    softcap: 1.5,
  }
  const inputs = { q: randoms(112, 1), k: randoms(56, 2), v: randoms(56, 3), dout: randoms(112, 4) }
  const problem: Problem = { ...numbers, ...inputs }
  const { dq, dk, dv } = backward(problem)
  const loss = (p: Problem): number => forward(p).out.reduce((total, x, i) => total + x * p.dout[i]!, 0)
  for (const [name, grad] of Object.entries({ q: dq, k: dk, v: dv })) {
    for (let i = 0; i < grad.length; i += 5) {
      const shifted = Float64Array.from(inputs[name as 'q'])
      const lossAt = (by: number): number => {
        shifted[i] = inputs[name as 'q'][i]! + by
        return loss({ ...problem, [name]: shifted })
      }
      expect(Math.abs((lossAt(1e-5) - lossAt(-1e-5)) / 2e-5 - grad[i]!)).toBeLessThanOrEqual(1e-7)
    }
  }
})

describe('the same bits', () => {
  const bytes = (x: Float32Array): Buffer => Buffer.from(x.buffer, x.byteOffset, x.byteLength)
  it('packed and each sequence alone', async () => {
    const options = { heads: 6, kvHeads: 2, dim: 64, window: 90 }
    const queries = [1, 65, 130, 63, 17]
    const packed = await run({ queries, ...options })
    let at = 0
    for (const n of queries) {
      const rows = (x: ArrayLike<number>, cols: number): Float32Array =>
        (x as Float32Array).slice(at * cols, (at + n) * cols)
      const { q, k, v, dout } = packed.problem
      const inputs = { q: rows(q, 384), k: rows(k, 128), v: rows(v, 128), dout: rows(dout, 384) }
      const alone = await run({ queries: [n], ...options }, inputs)
      expect(bytes(alone.out).equals(bytes(rows(packed.out, 384)))).toBe(true)
      expect(bytes(alone.dq).equals(bytes(rows(packed.dq, 384)))).toBe(true)
      expect(bytes(alone.dk).equals(bytes(rows(packed.dk, 128)))).toBe(true)
      expect(bytes(alone.dv).equals(bytes(rows(packed.dv, 128)))).toBe(true)
      at += n
    }
  })

  it('with one thread, two and five, and again', async () => {
    const results = []
    for (const n of [1, 2, 2, 5]) {
      device.setNumThreads(n)
      results.push(await run({ queries: [200, 65, 3], heads: 9, kvHeads: 3, dim: 64 }))
    }
    for (const other of results.slice(1)) {
      for (const name of ['out', 'lse', 'dq', 'dk', 'dv'] as const)
        expect(bytes(other[name]).equals(bytes(results[0]![name]))).toBe(true)
    }
  })
})

describe('refuses', () => {
  interface Change {
    k?: number[]
    heads?: number
    window?: number
    maxLength?: number
    lse?: number[]
    cu?: number[]
  }
  const call = ({
    k = [4, 8],
    heads = 2,
    window = 0,
    maxLength = 0,
    lse = [2, 4],
    cu = [0, 4],
  }: Change): void => {
    const device = Device.get('cpu')
    const [q, out] = [device.empty([4, 16]).handle, device.empty([4, 16]).handle]
    const keys = device.empty(k).handle
    const offsets = Tensor.from(Int32Array.from(cu)).handle
    const sums = device.empty(lse).handle
    addon().attention_forward(q, keys, keys, offsets, offsets, out, sums, heads, 1, 1, window, 0, maxLength)
  }
  it.each<[Change, string]>([
    [{ k: [4, 16] }, 'k: expected shape (4, 8), got (4, 16)'],
    [{ heads: 3 }, 'q: expected 3 heads of a size that is a multiple of 8'],
    [{ heads: 0 }, 'heads must be a positive multiple of kv_heads, got 0 and 1'],
    [{ window: -1 }, 'window must be 0'],
    [{ maxLength: -1 }, 'max_length must be 0 (unknown) or the tokens of the longest sequence, got -1'],
    [{ lse: [4, 2] }, 'lse: expected shape (2, 4), got (4, 2)'],
    [{ cu: [] }, 'cu_q: expected at least one element'],
  ])('%j at once', (change, message) => {
    expect(() => call(change)).toThrow('[attention_forward] ' + message)
  })
  it.each([
    [[1, 4], 'cu_q: expected to start at 0, got 1'],
    [[0, 3, 2, 4], 'cu_q: 2 after 3 at index 2'],
    [[0, 3], 'cu_q: expected to end at 4 tokens, got 3'],
    [[0, 9], 'cu_q: expected to end at 4 tokens, got 9'],
  ])('offsets %j when run', async (cu, message) => {
    call({ cu })
    await expect(device.synchronize()).rejects.toThrow('[attention_forward] ' + message)
  })
  it('a sequence longer than it was told when run', async () => {
    call({ cu: [0, 1, 4], maxLength: 2 })
    const message = '[attention_forward] cu_q: sequence 1 has 3 tokens, more than max_length 2'
    await expect(device.synchronize()).rejects.toThrow(message)
  })
})
