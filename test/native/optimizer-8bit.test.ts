import { describe, expect, it } from 'vitest'
import type { TensorHandle } from '../../src/native/contract'
import { dynamicMap } from '../../src/quantization/codes'
import { expectAbsolute, native, normals, Output, read, tensor } from './harness'
import { goldenDecay, goldenLr, goldenRun, goldenTensor, zeros } from './optimizer-goldens'

const maps = { signed: dynamicMap(true), unsigned: dynamicMap(false) }
const signedMap = tensor(maps.signed, [256])
const unsignedMap = tensor(maps.unsigned, [256])
const f = Math.fround

/** One moment in codes. */
interface Coded {
  codes: Output
  absmax: Output
}
const coded = (n: number): Coded => ({
  codes: zeros(n, 'uint8'),
  absmax: zeros(Math.ceil(n / 256), 'float32'),
})

function adamw(p: TensorHandle, g: TensorHandle, m: Coded, v: Coded, t: number, lr = goldenLr): void {
  const [c1, a1, c2, a2] = [m.codes, m.absmax, v.codes, v.absmax].map((o) => [o.handle])
  const scalars = [lr, 0.9, 0.999, 1e-8, goldenDecay, t] as const
  native.adamw_8bit([p], [g], c1!, a1!, c2!, a2!, signedMap, unsignedMap, undefined, 0, ...scalars)
}
function lion(p: TensorHandle, g: TensorHandle, m: Coded): void {
  const scalars = [goldenLr, 0.9, 0.99, goldenDecay] as const
  native.lion_8bit([p], [g], [m.codes.handle], [m.absmax.handle], signedMap, undefined, 0, ...scalars)
}

/** At least 99.9% within the tolerance. */
function expectMostly(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  let off = 0
  for (let i = 0; i < wanted.length; i++) if (!(Math.abs(found[i]! - wanted[i]!) <= tolerance)) off++
  expect(found.length).toBe(wanted.length)
  expect(off).toBeLessThanOrEqual(wanted.length / 1000)
}

/** Codes equal or one off in 99.9%, compared where the block is not all zero: there a code says nothing. */
async function expectState(found: Coded, name: string, which: 1 | 2): Promise<void> {
  const absmax = await goldenTensor(`${name}.absmax${which}`)
  const codes = await goldenTensor(`${name}.state${which}`)
  const live = (_: number, i: number): boolean => absmax[i >> 8]! > 0
  const own = await found.codes.read()
  expectMostly(await found.absmax.read(), absmax, Math.max(...absmax) * 1e-4)
  expectMostly(own.filter(live), codes.filter(live), 1)
}

/**
 * Elements 600 to 639 have gradients a millionth of their block's. bitsandbytes' CPU code, which made the goldens, rounds their
 * moments to 0; its GPU kernels, which we follow, keep the sign of negative ones in the smallest code.
 */
const compared = (_: number, i: number): boolean => !(i >= 600 && i < 640)

describe("bitsandbytes' goldens, 10 steps", () => {
  it('adamw_8bit', async () => {
    const n = (await goldenTensor('w.init')).length
    const [m, v] = [coded(n), coded(n)]
    const param = await goldenRun('w', 'float32', (p, g, t) => adamw(p, g, m, v, t))
    const wanted = await goldenTensor('adamw_8bit.w.step10')
    expectMostly((await param.read()).filter(compared), wanted.filter(compared), 2e-5)
    await expectState(m, 'adamw_8bit.w.state10', 1)
    await expectState(v, 'adamw_8bit.w.state10', 2)
  })

  it('lion_8bit', async () => {
    const n = (await goldenTensor('w.init')).length
    const m = coded(n)
    const param = await goldenRun('w', 'float32', (p, g) => lion(p, g, m))
    // Where the direction is about 0, a rounding turns a step around.
    const wanted = await goldenTensor('lion_8bit.w.step10')
    expectMostly((await param.read()).filter(compared), wanted.filter(compared), 1e-6)
    await expectState(m, 'lion_8bit.w.state10', 1)
  })
})

// -- one step from a given state, in float32 operation by operation ----------------------------------

/** The entry nearest to x, on the side of x's sign; ties do not occur in random numbers. */
function nearest(map: Float32Array, x: number): number {
  let best = 0
  for (let i = 1; i < 256; i++) if (Math.abs(map[i]! - x) < Math.abs(map[best]! - x)) best = i
  if (map[best]! < 0 === x < 0 || map !== maps.signed) return best
  return best + (x > 0 ? 1 : -1)
}

interface State {
  codes: number[]
  absmax: number[]
}
const randomState = (n: number, seed: number): State => ({
  codes: Array.from(normals(n, seed), (x) => Math.abs(Math.trunc(x * 80)) % 256),
  absmax: Array.from(normals(Math.ceil(n / 256), seed + 1), (x) => f(Math.abs(x))),
})
const values = (s: State, map: Float32Array): number[] =>
  s.codes.map((c, i) => f(map[c]! * s.absmax[i >> 8]!))

function recoded(x: number[], map: Float32Array): State {
  const absmax = Array.from({ length: Math.ceil(x.length / 256) }, (_, b) =>
    Math.max(...x.slice(b * 256, b * 256 + 256).map(Math.abs)),
  )
  return { codes: x.map((v, i) => nearest(map, f(v / absmax[i >> 8]!))), absmax }
}
const device = (s: State): Coded => ({
  codes: new Output([s.codes.length], 'uint8', s.codes),
  absmax: new Output([s.absmax.length], 'float32', s.absmax),
})
async function expectSame(found: Coded, wanted: State): Promise<void> {
  expect([...(await found.absmax.read())]).toEqual(wanted.absmax)
  expect([...(await found.codes.read())]).toEqual(wanted.codes)
}

describe.each([4099, 256, 255, 1])('%i elements, one step', (n) => {
  const [start, g] = [normals(n, 1), normals(n, 2)].map((x) => Array.from(x, f)) as [number[], number[]]

  it('adamw_8bit', async () => {
    const [first, second] = [randomState(n, 3), randomState(n, 4)]
    const [b1, l1, b2, l2] = [0.9, 1 - 0.9, 0.999, 1 - 0.999].map(f) as [number, number, number, number]
    const m = values(first, maps.signed).map((x, i) => f(f(x * b1) + f(l1 * g[i]!)))
    const v = values(second, maps.unsigned).map((x, i) => f(f(x * b2) + f(f(l2 * g[i]!) * g[i]!)))
    const root2 = Math.sqrt(1 - 0.999 ** 5)
    const [size, eps, decay] = [(0.01 * root2) / (1 - 0.9 ** 5), 1e-8 * root2, 1 - 0.01 * goldenDecay].map(f)
    const p = start.map((x, i) => f(f(x - f(size! * f(m[i]! / f(f(Math.sqrt(v[i]!)) + eps!)))) * decay!))
    const [param, deviceM, deviceV] = [new Output([n], 'float32', start), device(first), device(second)]
    adamw(param.handle, tensor(g, [n]), deviceM, deviceV, 5, 0.01)
    expectAbsolute(await param.read(), p, 1e-7)
    await expectSame(deviceM, recoded(m, maps.signed))
    await expectSame(deviceV, recoded(v, maps.unsigned))
  })

  it('lion_8bit', async () => {
    const first = randomState(n, 5)
    const [b1, l1, b2, l2] = [0.9, 1 - 0.9, 0.99, 1 - 0.99].map(f) as [number, number, number, number]
    const old = values(first, maps.signed)
    const decay = f(1 - goldenLr * goldenDecay)
    const p = start.map((x, i) =>
      f(f(x * decay) - f(f(goldenLr) * Math.sign(f(f(old[i]! * b1) + f(l1 * g[i]!))))),
    )
    const [param, moment] = [new Output([n], 'float32', start), device(first)]
    lion(param.handle, tensor(g, [n]), moment)
    expectAbsolute(await param.read(), p, 1e-7)
    const m = old.map((x, i) => f(f(x * b2) + f(l2 * g[i]!)))
    await expectSame(moment, recoded(m, maps.signed))
  })
})

it('a gradient that is not finite resets the moments of its element and leaves the parameter', async () => {
  const n = 300
  const g = normals(n, 6)
  g[3] = NaN
  g[299] = -Infinity
  const start = normals(n, 7)
  const [param, m, v] = [
    new Output([n], 'float32', start),
    device(randomState(n, 8)),
    device(randomState(n, 9)),
  ]
  adamw(param.handle, tensor(g, [n]), m, v, 2)
  const after = await param.read()
  expect([after[3], after[299]]).toEqual([f(start[3]!), f(start[299]!)])
  expect(after.every((x, i) => i === 3 || i === 299 || x !== f(start[i]!))).toBe(true)
  const codes = [await m.codes.read(), await v.codes.read()]
  expect([codes[0]![3], codes[0]![299], codes[1]![3], codes[1]![299]]).toEqual([127, 127, 0, 0])
  expect((await m.absmax.read()).every(Number.isFinite)).toBe(true)
})

it('a block without gradients stays at zero, as bitsandbytes stores it', async () => {
  const [param, m, v] = [new Output([256], 'float32', normals(256, 1)), coded(256), coded(256)]
  adamw(param.handle, tensor(new Float64Array(256), [256]), m, v, 1)
  adamw(param.handle, tensor(new Float64Array(256), [256]), m, v, 2)
  expect([...(await m.absmax.read()), ...(await v.absmax.read())]).toEqual([0, 0])
  expect(new Set(await m.codes.read())).toEqual(new Set([255]))
  expectAbsolute(
    await param.read(),
    normals(256, 1).map((x) => x * (1 - 1e-5) ** 2),
    1e-6,
  )
})

it('a moment far below its block keeps its sign when it is negative, and becomes 0 when positive', async () => {
  const n = 256
  const g = new Float64Array(n).fill(1e-9)
  g[0] = 1
  g[1] = -1e-9
  const [m, v] = [coded(n), coded(n)]
  adamw(new Output([n], 'float32', normals(n, 1)).handle, tensor(g, [n]), m, v, 1)
  expect([...(await m.codes.read())].slice(0, 4)).toEqual([255, 126, 127, 127])
})

it('several tensors in one call, each with its own blocks', async () => {
  const sizes = [1, 257, 512]
  const run = async (together: boolean): Promise<Float64Array[]> => {
    const params = sizes.map((n) => new Output([n], 'float32', normals(n, n)))
    const grads = sizes.map((n) => tensor(normals(n, n + 1), [n]))
    const [m, v] = [sizes.map(coded), sizes.map(coded)]
    const call = (which: number[]): void => {
      const list = (all: Coded[], part: keyof Coded): TensorHandle[] => which.map((i) => all[i]![part].handle)
      native.adamw_8bit(
        ...([which.map((i) => params[i]!.handle), which.map((i) => grads[i]!)] as const),
        ...([list(m, 'codes'), list(m, 'absmax'), list(v, 'codes'), list(v, 'absmax')] as const),
        ...([signedMap, unsignedMap, tensor([4], [1]), 1, 0.1, 0.9, 0.999, 1e-8, 0, 1] as const),
      )
    }
    if (together) call([0, 1, 2])
    else for (const i of [0, 1, 2]) call([i])
    return Promise.all([...params, ...m.map((s) => s.codes), ...v.map((s) => s.absmax)].map((o) => o.read()))
  }
  expect(await run(true)).toEqual(await run(false))
})

it('checks arguments before anything runs', async () => {
  const n = 300
  const p = tensor(normals(n, 1), [n])
  const { codes, absmax } = coded(n)
  const call = (c: TensorHandle, a: TensorHandle, map: TensorHandle): void =>
    native.lion_8bit([p], [p], [c], [a], map, undefined, 0, 1, 0.9, 0.99, 0)
  expect(() => call(p, absmax.handle, signedMap)).toThrow('[lion_8bit] codes: expected uint8, got float32')
  expect(() => call(codes.handle, signedMap, signedMap)).toThrow(
    '[lion_8bit] absmax: expected shape (2), got (256)',
  )
  expect(() => call(codes.handle, absmax.handle, p)).toThrow(
    '[lion_8bit] signed_map: expected shape (256), got (300)',
  )
  expect([...(await read(p))]).toEqual(Array.from(normals(n, 1), f))
})
