import { describe, expect, it } from 'vitest'
import { alignBatch, alignedSize, sizeOf } from '../../src/models/batch'
import {
  keepInput,
  keepProducts,
  MemoryPlans,
  uniformPlan,
  type Retention,
  type LayerPlan,
  type MemoryPlan,
} from '../../src/models/memory-plan'
import { runPass, type PassOptions } from '../../src/models/pass'
import type { PeftModel } from '../../src/peft/model'
import { liveBytes, randomBatch, takeGradients, tinyPeft } from './tiny'

const batch = randomBatch([11, 24, 7, 16])
/** Every choice of keep and recompute; what is kept goes to host memory in every second. */
const everyPlan: LayerPlan[] = Array.from({ length: 32 }, (_, i) => {
  const kept = i % 2 ? 'offload' : 'keep'
  const bit = (n: number): Retention => ((i >> n) & 1 ? 'recompute' : kept)
  return { x: kept, qkv: bit(1), attention: bit(2), attnResidual: bit(3), mlp: bit(4) }
})

interface Result {
  loss: number
  gradients: Record<string, Float32Array>
}

async function step(model: PeftModel, options: PassOptions): Promise<Result> {
  const { lossSum } = await runPass(model.base_model, batch, options)
  return { loss: lossSum, gradients: await takeGradients(model.parameters()) }
}

describe('memory plans', () => {
  it.each([
    ['plain', {}, {}],
    ['dropout', { lora_dropout: 0.25 }, { dropout: { seed: 42, microstep: 3 } }],
    ['bf16 autocast', {}, { autocast: 'bfloat16' }],
    ['DoRA', { use_dora: true }, {}],
  ] as const)('give the same bits whatever they keep: %s', async (_, lora, options) => {
    const model = await tinyPeft(lora, 'tiny-llama-nf4')
    const n = model.base_model.parts.layers.length
    const expected = await step(model, options)
    const before = await liveBytes()
    for (const layer of everyPlan) {
      expect(await step(model, { ...options, plan: uniformPlan(layer, n) }), JSON.stringify(layer)).toEqual(
        expected,
      )
    }
    const mixed: MemoryPlan = {
      layers: Array.from({ length: n }, (_, i) => (i % 2 ? keepInput : everyPlan[7]!)),
    }
    for (const prefetch of [true, false])
      expect(await step(model, { ...options, plan: { ...mixed, prefetch } })).toEqual(expected)
    expect(await liveBytes()).toBe(before)
  })

  it('hold the less the more they recompute', async () => {
    const model = await tinyPeft({}, 'tiny-llama-nf4')
    const { device, parts } = model.base_model
    const peaks: number[] = []
    const noMlp: LayerPlan = { ...keepProducts, mlp: 'recompute' }
    const noQkv: LayerPlan = { ...noMlp, qkv: 'recompute' }
    for (const layer of [{ ...keepProducts, attnResidual: 'keep' }, keepProducts, noMlp, noQkv] as const) {
      await liveBytes()
      device.resetPeakMemory()
      await step(model, { plan: uniformPlan(layer, parts.layers.length) })
      await device.synchronize()
      peaks.push(device.memoryStats().peak)
    }
    expect(peaks).toEqual([...peaks].sort((a, b) => b - a))
    expect(new Set(peaks).size).toBe(peaks.length)
  })

  it.each([
    ['without', undefined],
    ['with', { seed: 42, microstep: 3 }],
  ])('tiles of the MLP, %s dropout: the same gradients but for rounding', async (_, dropout) => {
    const model = await tinyPeft({ lora_dropout: dropout ? 0.25 : 0 }, 'tiny-llama-nf4')
    const n = model.base_model.parts.layers.length
    const whole = await step(model, { dropout, plan: uniformPlan(keepInput, n) })
    for (const layer of [keepInput, keepProducts, { ...keepProducts, attnResidual: 'keep' } as const]) {
      const tiled = await step(model, { dropout, plan: { ...uniformPlan(layer, n), mlpRows: 13 } })
      const limit = dropout ? 0.5 : 1e-6 // other masks on the tiles after the first
      expect(Math.abs(tiled.loss / whole.loss - 1)).toBeLessThanOrEqual(limit)
      if (dropout) continue
      for (const [name, values] of Object.entries(whole.gradients)) {
        const scale = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
        const worst = values.reduce((m, v, i) => Math.max(m, Math.abs(v - tiled.gradients[name]![i]!)), 0)
        expect(worst / scale, name).toBeLessThanOrEqual(1e-5)
      }
    }
  })
})

describe('plans by size', () => {
  const plans = [1, 2, 3].map((n) => uniformPlan(keepInput, n))
  const sizes = [
    { tokens: 100, sequences: 4, longest: 30 },
    { tokens: 200, sequences: 3, longest: 120 },
    { tokens: 400, sequences: 4, longest: 150 },
  ]
  const some = new MemoryPlans(plans.map((plan, i) => ({ plan, size: sizes[i]! })))

  it.each([
    ['as large as the smallest', 100, 4, 30, 0],
    ['with one token more', 101, 3, 30, 1],
    ['with a longer sequence', 90, 2, 31, 1],
    ['with more sequences', 150, 4, 60, 2],
    ['larger than all', 500, 9, 500, 2],
  ])('a batch %s', (_, tokens, sequences, longest, expected) => {
    expect(some.planFor({ tokens, sequences, longest })).toBe(plans[expected])
  })

  it('the size of a filled-up batch is known before', () => {
    for (const multiple of [1, 8, 64])
      for (const lengths of [[11, 24, 7, 16], [64], [3, 4], [1, 2, 9, 12]]) {
        const packed = randomBatch(lengths)
        expect(alignedSize(sizeOf(packed), multiple)).toEqual(sizeOf(alignBatch(packed, multiple)))
      }
  })

  it('a pass follows the plan for its batch', async () => {
    const model = await tinyPeft({}, 'tiny-llama-nf4')
    const asked: unknown[] = []
    const n = model.base_model.parts.layers.length
    model.base_model.memory_plans = {
      planFor: (size: unknown) => (asked.push(size), uniformPlan(keepInput, n)),
    } as never
    const before = await step(model, { plan: uniformPlan(keepProducts, n) })
    expect(asked).toEqual([])
    expect(await step(model, {})).toEqual(before)
    expect(asked).toEqual([{ tokens: 58, sequences: 4, longest: 24 }])
  })
})
