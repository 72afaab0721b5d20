import { describe, expect, it } from 'vitest'
import type { StepShape } from '../../src/memory/dry-run'
import { breakdownOf } from '../../src/memory/breakdown'
import { cpuMachine, cudaMachine, type Machine } from '../../src/memory/machine'
import { planBundle } from '../../src/memory/plan-display'
import type { PlannedStep } from '../../src/memory/planned-step'
import { Planner, type MemoryWish } from '../../src/memory/planner'
import { MemoryError, requireFit } from '../../src/memory/suggestions'
import { step8B } from './step-8b'

const GiB = 2 ** 30

const gpu = cudaMachine(78 * GiB, 100 * GiB)

function plan(step: StepShape, wish: MemoryWish, machine: Machine = gpu, checkpointing = false): PlannedStep {
  return new Planner(step, machine).choose(wish, checkpointing)
}

describe('modes, for an 8B model on a GPU', () => {
  const planner = new Planner(step8B(4096, 2), gpu)
  const [fast, balanced, lean] = (['fast', 'balanced', 'lean'] as const).map((mode) =>
    planner.choose(mode, false),
  ) as [PlannedStep, PlannedStep, PlannedStep]

  it('fast recomputes nothing and takes no host memory', () => {
    for (const layer of fast.plan.layers) expect(new Set(Object.values(layer))).toEqual(new Set(['keep']))
    expect(fast.peaks.host).toBe(0)
  })

  it('balanced recomputes nothing where the GPU has room, and leaves to the link what it carries', () => {
    expect(balanced.plan.layers.every((layer) => !Object.values(layer).includes('recompute'))).toBe(true)
    expect(balanced.peaks.device).toBeLessThan(0.75 * fast.peaks.device)
    // Copies slow the work beside them a little.
    expect(balanced.seconds).toBeLessThanOrEqual(fast.seconds * 1.06)
    // 54 GB/s for the time of a layer's forward.
    const moved = balanced.peaks.host - 128256 * 4096 * 2
    expect(moved / 31).toBeLessThanOrEqual(54e9 * balanced.costs.forward)
  })

  it('lean keeps no product on the GPU but of the last layer, tiles the MLP, and moves inputs and embedding to the host', () => {
    const { layers, mlpRows, embedding } = lean.plan
    expect(layers[0]).toMatchObject({
      x: 'offload',
      qkv: 'recompute',
      attnResidual: 'recompute',
      mlp: 'recompute',
    })
    expect(layers[31]).toMatchObject({ x: 'keep' })
    expect([mlpRows, embedding]).toEqual([4096, 'host'])
    expect(lean.peaks.device / GiB).toBeLessThan(6.6)
    expect(lean.seconds).toBeGreaterThan(balanced.seconds)
  })

  it('a number of bytes gets the plan of fewest seconds', () => {
    const budget = 8 * GiB
    const planned = planner.choose(budget, false)
    expect(planned.peaks.device).toBeLessThanOrEqual(budget)
    expect(planned.peaks.device).toBeGreaterThan(0.95 * budget)
    expect(planned.seconds).toBeGreaterThan(balanced.seconds)
    expect(planned.seconds).toBeLessThan(lean.seconds)
    expect(planner.choose(70 * GiB, false).plan).toEqual(fast.plan)
    const least = planner.choose(lean.peaks.device, false)
    expect(least.peaks.device).toBeLessThanOrEqual(lean.peaks.device)
    expect(least.seconds).toBeLessThan(lean.seconds)
  })

  it('lean, where it must, takes smaller tiles, then waits for copies', () => {
    const plans = [lean]
    for (let i = 0; i < 2; i++) {
      const machine = cudaMachine(plans.at(-1)!.peaks.device - 1, 100 * GiB)
      plans.push(plan(step8B(4096, 2), 'lean', machine))
    }
    const [, smaller, waiting] = plans as [PlannedStep, PlannedStep, PlannedStep]
    expect(smaller.plan).toEqual({ ...lean.plan, mlpRows: 2048 })
    expect(waiting.plan).toEqual({ ...smaller.plan, prefetch: false })
    const peaks = plans.map((p) => p.peaks.device)
    expect(peaks).toEqual([...peaks].sort((a, b) => b - a))
    for (const planned of plans.slice(1)) expect(planned.seconds).toBeGreaterThan(lean.seconds)
  })

  it('null is what gradient checkpointing says', () => {
    expect(planner.choose(null, true).plan.layers[5]).toEqual({
      x: 'keep',
      qkv: 'recompute',
      attention: 'recompute',
      attnResidual: 'recompute',
      mlp: 'recompute',
    })
    expect(planner.choose(null, false).plan.layers[5]).toMatchObject({
      qkv: 'keep',
      attnResidual: 'recompute',
      mlp: 'keep',
    })
  })
})

describe('long sequences in lean', () => {
  it.each([
    [32768, 9],
    [150000, 24],
  ])('%d tokens in %d GiB', (tokens, limit) => {
    expect(plan(step8B(tokens, 1), 'lean').peaks.device / GiB).toBeLessThan(limit)
  })

  it('keeps inputs on the GPU when the host has no room for them', () => {
    const planned = plan(step8B(8192, 1), 'lean', cudaMachine(78 * GiB, 1.2 * GiB))
    expect(planned.plan.layers[0]!.x).toBe('keep')
    expect(planned.peaks.host / GiB).toBeLessThan(1.2)
  })
})

it('a smaller batch follows the given plan where nothing faster fits', () => {
  const planner = new Planner(step8B(2048, 1), gpu)
  const given = planner.choose(null, false)
  for (const wish of ['fast', 'lean'] as const) {
    expect(planner.chooseWithin(4 * GiB, wish, given.plan).plan).toBe(given.plan)
    expect(planner.chooseWithin(given.peaks.device, 'fast', given.plan).plan).toBe(given.plan)
    expect(planner.chooseWithin(70 * GiB, wish, given.plan).seconds).toBeLessThan(given.seconds)
  }
})

it('a smaller batch follows another plan where the given one does not fit, if it is slower, too', () => {
  const planner = new Planner(step8B(2048, 1), gpu)
  const given = planner.choose('fast', false)
  const other = planner.chooseWithin(given.peaks.device - 1, 'lean', given.plan)
  expect(other.peaks.device).toBeLessThan(given.peaks.device)
  expect(other.seconds).toBeGreaterThan(given.seconds)
})

it('on the CPU nothing is offloaded', () => {
  for (const mode of ['fast', 'balanced', 'lean'] as const) {
    const { plan: chosen, peaks } = plan(step8B(512, 1), mode, cpuMachine(64 * GiB))
    expect(chosen.layers.flatMap((layer) => Object.values(layer))).not.toContain('offload')
    expect([peaks.host, chosen.embedding ?? 'device']).toEqual([0, 'device'])
  }
})

it('items add up to the peaks, but for the little that is not there at the peak', () => {
  for (const mode of ['fast', 'balanced', 'lean'] as const) {
    const planner = new Planner(step8B(4096, 2), gpu)
    const planned = planner.choose(mode, false)
    const items = breakdownOf(planner, planned)
    for (const place of ['device', 'host'] as const) {
      const sum = items.reduce((n, item) => n + (item.place === place ? item.bytes : 0), 0)
      const peak = planned.peaks[place]
      expect(Math.abs(sum - peak), `${mode} ${place}`).toBeLessThanOrEqual(0.03 * peak)
    }
  }
})

describe('what does not fit', () => {
  const refuse = (step: StepShape, wish: MemoryWish, limit: number): string => {
    const machine = cudaMachine(limit, 100 * GiB)
    const planner = new Planner(step, machine)
    try {
      requireFit(planner, planner.choose(wish, false), limit)
    } catch (error) {
      expect(error).toBeInstanceOf(MemoryError)
      return (error as Error).message
    }
    return ''
  }

  it('names the cheapest change that would, with its figure', () => {
    expect(refuse(step8B(4096, 2), 'fast', 8 * GiB)).toMatch(
      /^\[memory\] a step of 4096 tokens needs 17\.\d GiB for tensors .* 8\.00 GiB may be used\. It would fit with memory: 'lean' \(6\.\d+ GiB\)$/,
    )
    expect(refuse(step8B(4096, 2), 'lean', 5.8 * GiB)).toMatch(
      /with memory: 'lean' and optim: 'paged_adamw_8bit' \(5\.\d+ GiB\)$/,
    )
    expect(refuse(step8B(65536, 8, 'paged_adamw_8bit'), 'lean', 8 * GiB)).toMatch(
      /with memory: 'lean' and per_device_train_batch_size \d/,
    )
    expect(refuse(step8B(65536, 1, 'paged_adamw_8bit'), 'lean', 8 * GiB)).toMatch(
      /max_length 16384|max_length 32768/,
    )
    const others = [{ tokens: 65528, sequences: 1, longest: 65528 }]
    expect(refuse({ ...step8B(65536, 1, 'paged_adamw_8bit'), others }, 'lean', 8 * GiB)).toMatch(
      /max_length 16384|max_length 32768/,
    )
    expect(refuse(step8B(4096, 1), 'lean', 2 * GiB)).toContain('the model itself is too large')
  })

  it('lets pass what fits', () => {
    expect(refuse(step8B(4096, 2), 'fast', 30 * GiB)).toBe('')
  })
})

it('the plan is shown as a table, and in a notebook as bars', () => {
  const planner = new Planner(step8B(4096, 2), gpu)
  const bundle = planBundle(planner, planner.choose('balanced', false), 78 * GiB)
  expect(bundle['text/plain']).toMatch(
    /^Memory plan: 1\d\.\d GiB of 78\.0 GiB at the peak, \d\.\d+ GiB of host memory, for 4096 tokens/,
  )
  expect(bundle['text/plain']).toMatch(/4-bit weights +device +3\.\d+ GiB/)
  expect(bundle['text/plain']).toContain('gate and up: kept')
  expect(bundle['text/html']).toContain('<svg')
})

it('the plan says how long host memory keeps the first step', () => {
  const text = (step: StepShape, wish: MemoryWish): string => {
    const planner = new Planner(step, gpu)
    return planBundle(planner, planner.choose(wish, false), 78 * GiB)['text/plain']!
  }
  // 36 GiB at 1.8 GB/s.
  expect(text(step8B(32768, 1, 'paged_adamw_8bit'), 9 * GiB)).toContain(
    'the first step takes some 22 s longer',
  )
  expect(text(step8B(4096, 2), 'fast')).not.toContain('longer')
})
