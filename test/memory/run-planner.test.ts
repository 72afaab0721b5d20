import { describe, expect, it } from 'vitest'
import { cpuMachine, cudaMachine } from '../../src/memory/machine'
import { smallerBatches } from '../../src/memory/breakdown'
import { PlannedRun, RunPlanner } from '../../src/memory/run-planner'
import type { MemoryWish } from '../../src/memory/planner'
import { sizeOf, type BatchSize } from '../../src/models/batch'
import { runPass } from '../../src/models/pass'
import { gradNorm } from '../../src/optim/clip'
import { createOptimizer } from '../../src/optim/create'
import { LoraConfig } from '../../src/peft/config'
import { get_peft_model } from '../../src/peft/model'
import type { Device } from '../../src/tensor/device'
import { fill, matmul } from '../../src/tensor/ops'
import { liveBytes, randomBatch, tinyModel } from '../models/tiny'
import { step8B } from './step-8b'

const GiB = 2 ** 30
const rows = (n: number, length: number): BatchSize => ({ tokens: n * length, sequences: n, longest: length })

describe('a run of an 8B model on a GPU', () => {
  const gpu = cudaMachine(78 * GiB, 60 * GiB)
  const sizes = [rows(4, 1024), rows(4, 200), rows(4, 500), rows(4, 504), rows(4, 720), rows(3, 280)]
  const planned = (wish: MemoryWish, of = sizes): PlannedRun => {
    const planner = new RunPlanner(step8B(1, 1, 'paged_adamw_8bit'), of, gpu, wish)
    return planner.withSmaller(planner.planner.choose(wish, false))
  }
  const again = (run: PlannedRun): number[] =>
    run.classes.map(
      ({ planned: { plan } }) => plan.layers.filter((layer) => layer.mlp === 'recompute').length,
    )

  it.each([['6.3 GiB', 6.3 * GiB] as const, ['lean', 'lean'] as const])(
    '%s: smaller batches make less again, within the same memory',
    (_, wish) => {
      const run = planned(wish)
      const { largest, classes } = run
      const limit = typeof wish === 'number' ? wish : largest.peaks.device
      expect(classes.map((c) => c.size.tokens)).toEqual([840, 2016, 2880, 4096])
      expect(run.peaks.device).toBeLessThanOrEqual(limit)
      expect(largest.peaks.device).toBeGreaterThan(0.95 * limit)
      expect(again(run)).toEqual([...again(run)].sort((a, b) => a - b))
      expect(again(run)[0]).toBe(0)
      for (const { planned: one } of classes) expect(one.plan.embedding).toBe('host')
      const alone = planned(wish, [rows(4, 1024)])
      expect(largest.plan).toEqual(alone.largest.plan)
      expect(smallerBatches(run)[0]).toMatch(
        /^recomputed in smaller batches: up to 840 tokens .*; up to 2880/,
      )
      expect(smallerBatches(alone)).toEqual([])
    },
  )

  it('fast: all follow the one plan, and nothing leaves the device', () => {
    const run = planned('fast')
    for (const { planned: one } of run.classes) expect(one.plan).toEqual(run.largest.plan)
    expect(run.largest.plan.embedding ?? 'device').toBe('device')
    expect(smallerBatches(run)).toEqual([])
  })

  it('the peak holds for every batch, also where attention takes more for fewer tokens', () => {
    const uneven = { tokens: 16200, sequences: 2, longest: 8200 }
    const [one, both] = [[rows(2, 8192)], [rows(2, 8192), uneven]].map((of) => planned('lean', of))
    expect(both!.classes).toHaveLength(1)
    expect(both!.peaks.device).toBeGreaterThan(one!.peaks.device * 1.02)
    expect(both!.peaks.device).toBe(planned('lean', [uneven]).peaks.device)
  })

  it('without a wish there is one class, whose peak holds for every batch', () => {
    const { classes } = planned(null)
    expect(classes.map((c) => c.size)).toEqual([{ tokens: 4096, sequences: 4, longest: 1024 }])
  })
})

/** Work that keeps the queue from running empty before everything after it is enqueued: then the peak is always the same. */
function busy(device: Device): void {
  using scope = device.scope()
  const [a, b] = [scope.empty([384, 384]), scope.empty([384, 384])]
  for (const t of [a, b]) fill(t, 0)
  for (let i = 0; i < 40; i++) matmul(a, a, b)
  device.resetPeakMemory()
}

describe('a run for real', () => {
  const batches = [
    [61, 124, 57, 96],
    [40, 40, 50, 38],
    [90, 60, 50],
    [20, 11, 30],
    [300, 38],
  ].map((lengths) => randomBatch(lengths))

  interface Trained {
    losses: number[]
    peaks: number[]
    run: PlannedRun
  }

  /** Each batch is a step. With `budget` bytes; all batches with the largest's plan unless `classes`. */
  async function trained(budget: number, classes: boolean): Promise<Trained> {
    const start = await liveBytes()
    const model = await tinyModel('tiny-llama')
    const lora = new LoraConfig({ r: 8, target_modules: 'all-linear' })
    const peft = get_peft_model(model, lora, { dtype: 'float32', seed: 5 })
    const { optimizer } = step8B(1, 1)
    const step = {
      ...{ config: model.config, dtype: model.dtype, lora, adapterDtype: 'float32' as const, optimizer },
      gradientAccumulation: 1,
    }
    const update = createOptimizer(peft.parameters(), optimizer)
    const planner = new RunPlanner(step, batches.map(sizeOf), cpuMachine(1e12), budget)
    const largest = planner.planner.choose(budget, false)
    const run = planner.withSmaller(largest)
    model.memory_plans = classes ? run.plans : new PlannedRun(run.classes.slice(-1)).plans
    const losses: number[] = []
    const peaks: number[] = []
    // The first step makes what is there from then on.
    for (const batch of [batches[0]!, ...batches]) {
      busy(model.device)
      losses.push((await runPass(model, batch)).lossSum)
      using norm = gradNorm(peft.parameters())
      update.step(1e-3, { norm: norm!, max_norm: 1 })
      update.zeroGrad()
      await model.device.synchronize()
      peaks.push(model.device.memoryStats().peak - start)
    }
    update.dispose()
    return { losses, peaks: peaks.slice(1), run }
  }

  it('has the predicted peak, no batch a higher one, and the losses that one plan gives', async () => {
    const { losses, peaks, run } = await trained(3.4e6, true)
    const one = await trained(3.4e6, false)
    expect(losses).toEqual(one.losses)
    const keeps = run.classes.map(({ planned }) => planned.plan.layers.map((layer) => layer.mlp))
    expect(keeps[3]).toContain('recompute')
    for (const smaller of keeps.slice(0, 3)) expect(smaller).not.toContain('recompute')
    // The smaller batches' peaks come from plans of their own.
    expect(peaks[2]! / one.peaks[2]!).toBeGreaterThan(1.3)
    const predicted = batches.map((batch) => {
      const { planned } = run.classes.find(({ size }) => size.tokens >= batch.input_ids.length)!
      return planned.peaks.device
    })
    expect(predicted).toContain(run.peaks.device)
    peaks.forEach((peak, i) => expect(Math.abs(predicted[i]! / peak - 1), `batch ${i}`).toBeLessThan(0.005))
    expect(Math.abs(run.peaks.device / Math.max(...peaks) - 1)).toBeLessThan(0.005)
    expect(run.peaks.device).toBeLessThanOrEqual(3.4e6)
  })
})
