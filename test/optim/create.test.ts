import { afterEach, describe, expect, it, vi } from 'vitest'
import { gradNorm } from '../../src/optim/clip'
import { createOptimizer, type OptimizerSettings, parseOptimizerArgs } from '../../src/optim/create'
import { Lion } from '../../src/optim/lion'
import { optimizerKinds, refusedOptimizers, type OptimizerName } from '../../src/optim/names'
import type { Optimizer } from '../../src/optim/optimizer'
import { SGD } from '../../src/optim/sgd'
import { Device } from '../../src/tensor/device'
import { copy } from '../../src/tensor/ops'
import { Tensor } from '../../src/tensor/tensor'
import { liveBytes } from '../models/tiny'
import { parameter, setGradient, settings } from './support'

const names = Object.keys(optimizerKinds) as OptimizerName[]
/** 4096 elements, the fewest that 8-bit state is kept for. */
const large = 4096

/** A weight and a bias after three steps. */
async function train(changes: Partial<OptimizerSettings>, n = 8, maxNorm = 0): Promise<number[]> {
  const parameters = [parameter('q_proj.lora_A.weight', n), parameter('q_proj.bias', 4)]
  const optimizer = createOptimizer(parameters, { ...settings, ...changes })
  for (let step = 1; step <= 3; step++) {
    for (const p of parameters) setGradient(p, step)
    using norm = gradNorm(parameters)
    optimizer.step(0.01, norm && { norm, max_norm: maxNorm })
    optimizer.zeroGrad()
  }
  const all = (await Promise.all(parameters.map(async (p) => [...(await p.data.data())]))).flat()
  optimizer.dispose()
  for (const p of parameters) p.dispose()
  return all
}

/** Largest difference. */
const distance = (a: number[], b: number[]): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)))

afterEach(() => vi.restoreAllMocks())

describe('a name says the rule and how its state is kept', () => {
  it.each([
    ['adamw_torch', 'adamw', 8 * large],
    ['adamw_torch_fused', 'adamw', 8 * large],
    ['adamw_bnb_8bit', 'adamw', 2 * (large + 64)],
    ['adamw_8bit', 'adamw', 2 * (large + 64)],
    ['paged_adamw', 'adamw', 8 * large],
    ['paged_adamw_32bit', 'adamw', 8 * large],
    ['paged_adamw_8bit', 'adamw', 2 * (large + 64)],
    ['lion_32bit', 'lion', 4 * large],
    ['lion_8bit', 'lion', large + 64],
    ['paged_lion_32bit', 'lion', 4 * large],
    ['paged_lion_8bit', 'lion', large + 64],
    ['sgd', 'sgd', 0],
  ] as const)('%s', async (optim, rule, bytes) => {
    const p = parameter('a.weight', large)
    const optimizer = createOptimizer([p], { ...settings, optim })
    setGradient(p, 1)
    const before = await liveBytes()
    optimizer.step(0.01)
    const maps = optim.includes('8bit') ? 2048 : 0
    expect((await liveBytes()) - before).toBe(bytes + maps)
    optimizer.dispose()
    expect(await liveBytes()).toBe(before)
    p.dispose()
    const plain = rule === 'adamw' ? 'adamw_torch' : rule === 'lion' ? 'lion_32bit' : 'sgd'
    const moved = distance(await train({ optim }, large), await train({ optim: plain }, large))
    expect(moved).toBeLessThanOrEqual(optim.includes('8bit') ? (rule === 'lion' ? 0.06 : 5e-3) : 0)
  })

  it('all of them are in this list, and none is also refused', () => {
    expect(names).toHaveLength(12)
    for (const [name, { nearest }] of refusedOptimizers) {
      expect(names).not.toContain(name)
      expect(names).toContain(nearest)
    }
  })

  it('below 4096 elements 8-bit optimizers keep float32', async () => {
    for (const [optim, plain] of [
      ['lion_8bit', 'lion_32bit'],
      ['adamw_8bit', 'adamw_torch'],
    ] as const) {
      expect(await train({ optim }, large - 1)).toEqual(await train({ optim: plain }, large - 1))
    }
    expect(await train({ optim: 'adamw_8bit' }, large)).not.toEqual(await train({}, large))
  })

  it('paged ones keep the state of large tensors in pinned memory', async () => {
    const pinned = vi.spyOn(Device.prototype, 'emptyPinned')
    await train({ optim: 'paged_adamw_32bit' }, 99_999)
    expect(pinned).not.toHaveBeenCalled()
    await train({ optim: 'paged_adamw_32bit' }, 100_000)
    // Each tensor from a multiple of 256 bytes on.
    expect(pinned.mock.calls).toEqual([[[2 * 400_128], 'uint8']])
    await train({ optim: 'paged_lion_8bit' }, 100_000)
    expect(pinned.mock.calls.slice(1)).toEqual([[[100_096 + 1792], 'uint8']])
    pinned.mockClear()
    await train({ optim: 'adamw_torch' }, 100_000)
    expect(pinned).not.toHaveBeenCalled()
  })
})

describe('every setting is seen', () => {
  it.each([
    ['adamw_torch', { adam_beta1: 0.5 }],
    ['adamw_torch', { adam_beta2: 0.9 }],
    ['adamw_torch', { adam_epsilon: 0.1 }],
    ['adamw_8bit', { adam_beta1: 0.5 }],
    ['adamw_8bit', { adam_beta2: 0.9 }],
    ['adamw_8bit', { adam_epsilon: 0.1 }],
    ['lion_32bit', { adam_beta1: 0.01 }],
    ['lion_32bit', { adam_beta2: 0.01 }],
    ['lion_8bit', { adam_beta1: 0.01 }],
    ['lion_8bit', { adam_beta2: 0.01 }],
    ['sgd', { optim_args: 'momentum=0.9' }],
  ] as const)('%s %o', async (optim, change) => {
    expect(distance(await train({ optim, ...change }, large), await train({ optim }, large))).toBeGreaterThan(
      1e-4,
    )
  })

  it.each(['adamw_torch', 'adamw_8bit', 'lion_32bit', 'lion_8bit', 'sgd'] as const)(
    '%s: weight_decay, for the weight and not for the bias',
    async (optim) => {
      const [plain, decayed] = [
        await train({ optim }, large),
        await train({ optim, weight_decay: 0.5 }, large),
      ]
      expect(distance(decayed.slice(0, large), plain.slice(0, large))).toBeGreaterThan(1e-3)
      expect(decayed.slice(large)).toEqual(plain.slice(large))
    },
  )

  it.each(['adamw_torch', 'adamw_8bit', 'lion_32bit', 'lion_8bit', 'sgd'] as const)(
    '%s: max_norm',
    async (optim) => {
      const plain = await train({ optim }, large)
      expect(await train({ optim }, large, 1e9)).toEqual(plain)
      expect(await train({ optim, adam_epsilon: 1e-3 }, large, 1e-2)).not.toEqual(
        await train({ optim, adam_epsilon: 1e-3 }, large),
      )
    },
  )
})

it.each(['adamw_torch', 'paged_adamw_8bit', 'lion_8bit', 'sgd'] as const)(
  '%s goes on from its saved state with the same bits',
  async (optim) => {
    const p = parameter('a.weight', large)
    const step = (optimizer: Optimizer, t: number): void => {
      setGradient(p, t)
      optimizer.step(0.01)
      optimizer.zeroGrad()
    }
    const make = (): Optimizer =>
      createOptimizer([p], { ...settings, optim, optim_args: optim === 'sgd' ? 'momentum=0.9' : null })
    const [one, other] = [make(), make()]
    for (const t of [1, 2, 3]) step(one, t)
    const [weights, saved] = [await p.data.bytes(), one.stateTensors()]
    for (const [name, tensor] of Object.entries(other.restore(one.stepCount)))
      tensor.write(await saved[name]!.bytes())
    step(one, 4)
    const wanted = await p.data.data()
    p.data.write(weights)
    step(other, 4)
    expect(await p.data.data()).toEqual(wanted)
    one.dispose()
    other.dispose()
    p.dispose()
  },
)

describe('optim_args', () => {
  it('of sgd: momentum, dampening, nesterov', async () => {
    expect(parseOptimizerArgs('sgd', ' momentum = 0.9,nesterov=True ')).toEqual({
      momentum: 0.9,
      dampening: 0,
      nesterov: true,
    })
    expect(parseOptimizerArgs('sgd', null)).toEqual({ momentum: 0, dampening: 0, nesterov: false })
    const runs = await Promise.all(
      ['momentum=0.5', 'momentum=0.5,dampening=0.5', 'momentum=0.5,nesterov=yes'].map((optim_args) =>
        train({ optim: 'sgd', optim_args }),
      ),
    )
    expect(new Set(runs.map(String)).size).toBe(3)
  })

  it('refuses what it cannot do, with what fits', () => {
    expect(() => parseOptimizerArgs('adamw_8bit', 'block_size=64')).toThrow(
      "[optim_args] adamw_8bit takes none, got 'block_size=64'; its settings are adam_beta1",
    )
    expect(() => parseOptimizerArgs('sgd', 'momentum')).toThrow(
      "[optim_args] got 'momentum', expected name=value pairs with commas between",
    )
    expect(() => parseOptimizerArgs('sgd', 'momentun=0.9')).toThrow("Did you mean 'momentum'?")
    expect(() => parseOptimizerArgs('sgd', 'momentum=high')).toThrow(
      "momentum: got 'high', needs a number >= 0",
    )
    expect(() => parseOptimizerArgs('sgd', 'weight_decay=0.1')).toThrow(
      'set weight_decay of TrainingArguments',
    )
    expect(() => parseOptimizerArgs('sgd', 'nesterov=true')).toThrow('nesterov needs a momentum above 0')
  })
})

it('the first step of sgd knows no dampening, the second does', async () => {
  const p = parameter('a.weight', 4)
  const optimizer = new SGD([p], { momentum: 0.5, dampening: 0.75 })
  const change = async (): Promise<number[]> => {
    const before = await p.data.data()
    copy(ones, p.gradient())
    optimizer.step(0.5)
    optimizer.zeroGrad()
    return Array.from(await p.data.data(), (x, i) => before[i]! - x)
  }
  using ones = Tensor.from([1, 1, 1, 1])
  // 0.5 · 1, then 0.5 · (0.5 · 1 + 0.25 · 1)
  for (const wanted of [0.5, 0.375])
    for (const found of await change()) expect(Math.abs(found - wanted)).toBeLessThanOrEqual(1e-6)
  optimizer.dispose()
  p.dispose()
})

it('options of the classes have their own defaults', async () => {
  expect(() => new SGD([], { nesterov: true })).toThrow(
    '[SGD] nesterov needs a momentum above 0 and dampening 0',
  )
  const p = parameter('a.weight', 4)
  const optimizer = new Lion([p])
  setGradient(p, 1)
  const before = await p.data.data()
  optimizer.step(0.25)
  // cos(0), cos(1) and 0.1 more are positive, cos(2) and cos(3) are not.
  expect([...(await p.data.data())]).toEqual(
    [-0.25, -0.25, 0.25, 0.25].map((d, i) => Math.fround(before[i]! + d)),
  )
  optimizer.dispose()
  p.dispose()
})
