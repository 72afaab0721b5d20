import { describe, expect, it } from 'vitest'
import type { TensorHandle } from '../../src/native/contract'
import type { FloatDType } from '../../src/tensor/dtype'
import {
  cpu,
  expectAbsolute,
  expectRelative,
  floatDTypes,
  native,
  normals,
  Output,
  rounded,
  tensor,
} from './harness'
import { goldenRun, goldenTensor, zeros } from './optimizer-goldens'

/** lr 1e-3, betas 0.9 and 0.999, eps 1e-8, weight decay 0.01, as the goldens were made. */
function step(p: TensorHandle, g: TensorHandle, m: Output, v: Output, t: number, norm?: TensorHandle): void {
  native.adamw([p], [g], [m.handle], [v.handle], norm, 0.3, 1e-3, 0.9, 0.999, 1e-8, 0.01, t)
}

const float32: readonly [FloatDType, FloatDType] = ['float32', 'float32']

describe.each([
  ['adamw_torch', 'w', ...float32, 'exp_avg', 'exp_avg_sq'],
  ['adamw_torch', 'b', ...float32, 'exp_avg', 'exp_avg_sq'],
  ['paged_adamw_32bit', 'w', ...float32, 'state1', 'state2'],
  ['paged_adamw_32bit', 'b', ...float32, 'state1', 'state2'],
  ['adamw_torch.bf16', 'w', 'bfloat16', 'bfloat16', undefined, undefined],
  ['paged_adamw_32bit.bf16', 'w', 'bfloat16', 'float32', undefined, undefined],
] as const)('adamw against the golden %s', (optimizer, name, dtype, moments, first, second) => {
  it(`parameter ${name} after 10 steps`, async () => {
    const n = (await goldenTensor(`${name}.init`)).length
    const [m, v] = [zeros(n, moments), zeros(n, moments)]
    const param = await goldenRun(name, dtype, (p, g, t) => step(p, g, m, v, t))
    expectAbsolute(await param.read(), await goldenTensor(`${optimizer}.${name}.step10`), 1e-6)
    if (first)
      expectAbsolute(await m.read(), await goldenTensor(`${optimizer}.${name}.state10.${first}`), 1e-6)
    if (second)
      expectAbsolute(await v.read(), await goldenTensor(`${optimizer}.${name}.state10.${second}`), 1e-6)
  })
})

it('adamw in double, 3 steps, odd size', async () => {
  const n = 4099
  const p = rounded(normals(n, 1), 'float32')
  const param = new Output([n], 'float32', p)
  const [m, v] = [zeros(n, 'float32'), zeros(n, 'float32')]
  const [wantM, wantV] = [new Float64Array(n), new Float64Array(n)]
  for (let t = 1; t <= 3; t++) {
    const g = rounded(normals(n, 1 + t), 'bfloat16')
    step(param.handle, tensor(g, [n], 'bfloat16'), m, v, t)
    for (let i = 0; i < n; i++) {
      wantM[i] = 0.9 * wantM[i]! + 0.1 * g[i]!
      wantV[i] = 0.999 * wantV[i]! + 0.001 * g[i]! ** 2
      const [c1, c2] = [1 - 0.9 ** t, 1 - 0.999 ** t]
      p[i] = p[i]! * (1 - 1e-5) - (1e-3 / c1) * (wantM[i]! / (Math.sqrt(wantV[i]!) / Math.sqrt(c2) + 1e-8))
    }
  }
  expectAbsolute(await param.read(), p, 1e-6)
  expectRelative(await m.read(), wantM, 1e-6)
  expectRelative(await v.read(), wantV, 1e-6)
})

it.each(['0.3', '1e+09'])('clipping to %s against the golden', async (maxNorm) => {
  const clipped = new Map<string, Output>()
  for (const name of ['w', 'b']) {
    const n = (await goldenTensor(`${name}.init`)).length
    clipped.set(name, new Output([n], 'float32', (await goldenTensor(`${name}.grads`)).subarray(0, n)))
  }
  const handles = [...clipped.values()].map((o) => o.handle)
  const norm = new Output([1])
  native.global_norm(handles, norm.handle)
  native.clip_by_norm(handles, norm.handle, Number(maxNorm))
  expectRelative(await norm.read(), await goldenTensor(`clip.${maxNorm}.norm`), 1e-6)
  for (const [name, out] of clipped) {
    expectAbsolute(await out.read(), await goldenTensor(`clip.${maxNorm}.${name}`), 1e-6)
  }
})

describe.each(floatDTypes)('%s', (dtype) => {
  it('norm of several tensors, then clipped to length max_norm', async () => {
    const values = [1, 65, 4097, 40_000].map((n, k) => rounded(normals(n, k + 1), dtype))
    const outs = values.map((v) => new Output([v.length], dtype, v))
    const handles = outs.map((o) => o.handle)
    const norm = new Output([1])
    native.global_norm(handles, norm.handle)
    const want = Math.sqrt(values.reduce((sum, v) => sum + v.reduce((s, x) => s + x * x, 0), 0))
    expectRelative(await norm.read(), [want], 1e-6)
    native.clip_by_norm(handles, norm.handle, 2)
    const factor = 2 / (want + 1e-6)
    for (const [k, out] of outs.entries()) {
      expectRelative(
        await out.read(),
        rounded(
          values[k]!.map((x) => x * factor),
          dtype,
        ),
        dtype === 'float32' ? 1e-6 : 1e-4,
      )
    }
  })
})

it('the norm has the same bits whatever the threads', async () => {
  const tensors = [3, 100_003, 17, 50_000].map((n, k) => tensor(normals(n, k), [n]))
  const run = async (threads: number): Promise<number> => {
    native.set_num_threads(cpu, threads)
    const norm = new Output([1])
    native.global_norm(tensors, norm.handle)
    return (await norm.read())[0]!
  }
  const one = await run(1)
  expect(await run(5)).toBe(one)
  expect(await run(2)).toBe(one)
})

it('the norm neither overflows nor underflows on the way, and shows NaN and infinity', async () => {
  const norm = async (values: number[]): Promise<number> => {
    const out = new Output([1])
    native.global_norm([tensor(values, [values.length])], out.handle)
    return (await out.read())[0]!
  }
  expect(await norm([3e30, 4e30])).toBeCloseTo(5e30, -24)
  expectRelative([await norm([3e-30, 4e-30])], [5e-30], 1e-6)
  expect(await norm([1, NaN])).toBeNaN()
  expect(await norm([1, Infinity])).toBe(Infinity)
})

it('clipping leaves short gradients alone and passes NaN on, as torch does', async () => {
  const x = new Output([3], 'float32', [0.25, 0.5, -0.125])
  const clip = (norm: number): void => native.clip_by_norm([x.handle], tensor([norm], [1]), 1)
  clip(0.6)
  expect([...(await x.read())]).toEqual([0.25, 0.5, -0.125])
  clip(NaN)
  expect((await x.read()).every(Number.isNaN)).toBe(true)
})

it('an update clips by a norm on the device as clip_by_norm does, and writes no gradient', async () => {
  const sizes = [3, 1025]
  const grads = sizes.map((n, k) => new Output([n], 'float32', normals(n, k + 7)))
  const norm = new Output([1])
  native.global_norm(
    grads.map((g) => g.handle),
    norm.handle,
  )
  const run = async (gradients: Output[], given?: TensorHandle): Promise<Float64Array[]> => {
    const params = sizes.map((n) => zeros(n, 'float32'))
    const [m, v] = [0, 1].map(() => sizes.map((n) => zeros(n, 'float32'))) as [Output[], Output[]]
    const handles = (list: Output[]): TensorHandle[] => list.map((o) => o.handle)
    native.adamw(
      handles(params),
      handles(gradients),
      handles(m),
      handles(v),
      given,
      2,
      1e-3,
      0.9,
      0.999,
      1e-2,
      0,
      1,
    )
    return Promise.all([...params, ...m, ...v].map((o) => o.read()))
  }
  const before = await Promise.all(grads.map((g) => g.read()))
  const fused = await run(grads, norm.handle)
  expect(await Promise.all(grads.map((g) => g.read()))).toEqual(before)
  const unclipped = await run(grads)
  native.clip_by_norm(
    grads.map((g) => g.handle),
    norm.handle,
    2,
  )
  expect(fused).toEqual(await run(grads))
  expect(fused).not.toEqual(unclipped)
})

it('checks arguments before anything runs', () => {
  const x = tensor([1, 2], [2])
  const half = tensor([1, 2], [2], 'bfloat16')
  const one = tensor([1], [1])
  const adamw = (p: typeof x, g: typeof x, m: typeof x, v: typeof x, beta1 = 0.9, t = 1): void =>
    native.adamw([p], [g], [m], [v], undefined, 0, 1e-3, beta1, 0.999, 1e-8, 0, t)
  expect(() => adamw(x, one, x, x)).toThrow('[adamw] grads: expected shape (2), got (1)')
  expect(() => adamw(x, x, half, half)).toThrow('[adamw] exp_avgs: expected float32, got bfloat16')
  expect(() => adamw(half, half, half, x)).toThrow('[adamw] exp_avg_sqs: expected bfloat16, got float32')
  const f16 = tensor([1, 2], [2], 'float16')
  expect(() => adamw(f16, f16, f16, f16)).toThrow('[adamw] exp_avgs: expected float32, got float16')
  expect(() => adamw(x, x, x, x, 1)).toThrow('[adamw] beta1: expected 0 <= beta1 < 1, got 1')
  expect(() => adamw(x, x, x, x, 0.9, 0)).toThrow('[adamw] step: expected 1 or more, got 0')
  const lists = (grads: (typeof x)[], norm?: typeof x, maxNorm = 1): void =>
    native.adamw([x], grads, [x], [x], norm, maxNorm, 1e-3, 0.9, 0.999, 1e-8, 0, 1)
  expect(() => lists([])).toThrow('[adamw] grads: expected 1 tensors, one a parameter, got 0')
  expect(() => lists([x], x)).toThrow('[adamw] norm: expected shape (1), got (2)')
  expect(() => lists([x], one, NaN)).toThrow('[adamw] max_norm: expected 0 or more, got nan')
  expect(() => native.lion([], [], [], undefined, 0, 1, 0.9, 0.99, 0)).toThrow(
    '[lion] params: expected one tensor or more',
  )
  expect(() => native.sgd([x], [x], [], undefined, 0, 1, 0.9, 0, false, 0, true)).toThrow(
    '[sgd] buffers: expected 1 tensors',
  )
  expect(() => native.sgd([x], [x], [x], undefined, 0, 1, 0.9, 0.5, true, 0, true)).toThrow(
    '[sgd] nesterov: expected',
  )
  expect(() => native.global_norm([x, tensor([1], [1], 'int32')], one)).toThrow(
    '[global_norm] tensors: expected a float',
  )
  expect(() => native.global_norm([x], x)).toThrow('[global_norm] norm: expected shape (1), got (2)')
  expect(() => native.clip_by_norm([x], one, -1)).toThrow(
    '[clip_by_norm] max_norm: expected 0 or more, got -1',
  )
})
