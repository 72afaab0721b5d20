import { afterEach, describe, expect, it } from 'vitest'
import '../../src/generation/mixin'
import { countTargets } from '../../src/models/batch'
import { packInputs, type ModelInputs } from '../../src/models/padding'
import { runPass, type PassOptions } from '../../src/models/pass'
import type { PeftModel } from '../../src/peft/model'
import { Device } from '../../src/tensor/device'
import { liveBytes, randomBatch, randomInputs, takeGradients, tinyPeft } from './tiny'

const lengths = [11, 24, 7, 16]
const batch = randomBatch(lengths)
const dropout = { seed: 42, microstep: 3 }

type Gradients = Record<string, Float32Array>

async function gradientsOf(
  model: PeftModel,
  options: PassOptions,
  of = batch,
): Promise<{ loss: number; gradients: Gradients }> {
  const { lossSum, numTargets } = await runPass(model.base_model, of, options)
  return { loss: lossSum / numTargets, gradients: await takeGradients(model.parameters()) }
}

/** Largest difference, as a share of the largest gradient of the tensor. */
function distance(a: Gradients, b: Gradients): number {
  expect(Object.keys(a)).toEqual(Object.keys(b))
  const each = Object.entries(a).map(([name, values]) => {
    const other = b[name]!
    const scale = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
    return values.reduce((m, v, i) => Math.max(m, Math.abs(v - other[i]!)), 0) / scale
  })
  return each.reduce((m, d) => (m >= d ? m : d), 0)
}

describe('one batch in different forms', () => {
  it('padded on either side or packed: the same bits', async () => {
    const model = await tinyPeft()
    const right = randomInputs(lengths)
    const left: ModelInputs = Object.fromEntries(
      (['input_ids', 'attention_mask', 'labels'] as const).map((key) => [
        key,
        right[key].map((row, b) => [
          ...Array.from(row).slice(lengths[b]),
          ...Array.from(row).slice(0, lengths[b]),
        ]),
      ]),
    ) as unknown as ModelInputs
    const packed = await gradientsOf(model, {})
    for (const inputs of [right, left]) {
      const { loss, num_items } = await model.forward_backward(inputs)
      expect(num_items).toBe(countTargets(batch))
      expect(loss).toBe(packed.loss)
      expect(await takeGradients(model.parameters())).toEqual(packed.gradients)
    }
  })

  it('one batch of four rows, or four of one accumulated', async () => {
    const model = await tinyPeft({}, 'tiny-llama-nf4')
    const whole = await gradientsOf(model, {})
    const { input_ids, labels } = randomInputs(lengths)
    let lossSum = 0
    for (const [b, n] of lengths.entries()) {
      const row = { input_ids: [input_ids[b]!.slice(0, n)], labels: [labels[b]!.slice(0, n)] }
      const { packed } = packInputs(row as ModelInputs, 512)
      lossSum += (await runPass(model.base_model, packed, { numItems: countTargets(batch) })).lossSum
    }
    expect(Math.abs(lossSum / countTargets(batch) - whole.loss)).toBeLessThanOrEqual(1e-6)
    expect(distance(whole.gradients, await takeGradients(model.parameters()))).toBeLessThanOrEqual(2e-6)
  })

  it('a batch with nothing to learn gives no loss and no gradient', async () => {
    const model = await tinyPeft()
    const stats = await runPass(model.base_model, {
      ...batch,
      labels: new Int32Array(batch.labels.length).fill(-100),
    })
    expect(stats).toEqual({ lossSum: 0, numTargets: 0, entropySum: 0, correct: 0 })
    expect(model.parameters().filter((p) => p.grad)).toEqual([])
  })
})

describe('gradient checkpointing', () => {
  it.each([
    ['plain', {}],
    ['dropout', { dropout }],
    ['bf16 autocast', { autocast: 'bfloat16', dropout }],
  ] as const)('gives the same bits, %s, and holds less memory', async (_, options) => {
    const model = await tinyPeft({ lora_dropout: 0.25 }, 'tiny-llama-nf4')
    const device = model.base_model.device
    const peaks: number[] = []
    const results = []
    for (const on of [false, true]) {
      if (on) model.base_model.gradient_checkpointing_enable()
      await gradientsOf(model, options)
      const before = await liveBytes()
      device.resetPeakMemory()
      results.push(await gradientsOf(model, options))
      peaks.push(device.memoryStats().peak - before)
    }
    expect(results[1]).toEqual(results[0])
    expect(peaks[1]!).toBeLessThan(0.7 * peaks[0]!)
    model.base_model.gradient_checkpointing_disable()
    expect(model.base_model.is_gradient_checkpointing).toBe(false)
  })
})

describe('LoRA dropout', () => {
  it('is a function of seed and microstep', async () => {
    const model = await tinyPeft({ lora_dropout: 0.25 })
    const first = await gradientsOf(model, { dropout })
    expect(await gradientsOf(model, { dropout })).toEqual(first)
    expect((await gradientsOf(model, { dropout: { ...dropout, microstep: 4 } })).loss).not.toBe(first.loss)
    expect((await gradientsOf(model, { dropout: { ...dropout, seed: 43 } })).loss).not.toBe(first.loss)
  })

  it('is off in evaluation, forward and generate', async () => {
    const [dropping, plain] = [await tinyPeft({ lora_dropout: 0.5 }), await tinyPeft()]
    const inputs = randomInputs(lengths)
    const prompt = { input_ids: [[5, 6, 7, 8]] }
    for (const run of [
      (m: PeftModel) => runPass(m.base_model, batch, { backward: false }),
      async (m: PeftModel) => {
        const { loss, logits } = await m.forward(inputs)
        const values = await logits.data()
        logits.dispose()
        return { loss, values }
      },
      (m: PeftModel) => m.generate(prompt, { max_new_tokens: 5 }),
    ]) {
      expect(await run(dropping)).toEqual(await run(plain))
    }
    expect((await gradientsOf(dropping, { dropout })).loss).not.toBe(
      (await gradientsOf(plain, { dropout })).loss,
    )
  })
})

describe('threads', () => {
  const device = Device.get('cpu')
  const all = Number(device.info['num_threads'])
  afterEach(() => device.setNumThreads(all))

  it.each([
    ['float32', {}],
    ['bf16 autocast and dropout', { autocast: 'bfloat16', dropout }],
  ] as const)('one, two or three give the same bits: %s', async (_, options) => {
    const model = await tinyPeft({ lora_dropout: 0.1 }, 'tiny-llama-nf4')
    const results = []
    for (const n of [1, 2, 3]) {
      device.setNumThreads(n)
      await device.synchronize()
      expect(device.info['num_threads']).toBe(String(n))
      results.push(await gradientsOf(model, options))
    }
    expect(results[1]).toEqual(results[0])
    expect(results[2]).toEqual(results[0])
  })
})
