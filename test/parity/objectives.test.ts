import { describe, expect, it } from 'vitest'
import type { Objective } from '../../src/models/objective'
import { LoraConfig } from '../../src/peft/config'
import { get_peft_model } from '../../src/peft/model'
import { copy } from '../../src/tensor/ops'
import { Tensor } from '../../src/tensor/tensor'
import { takeGradients, tinyModel } from '../models/tiny'
import { goldenTensors, relative, rowsOf } from './support'

// Losses other than the default against transformers' LabelSmoother and TRL's DFT (objectives.py), two micro batches of one step.

const expected = await goldenTensors('objectives.safetensors')
const batches = [0, 1].map((i) => {
  const rows = (key: string): number[][] => rowsOf(expected.get(`${i}.${key}`)!)
  return {
    input_ids: rows('input_ids'),
    attention_mask: rows('attention_mask'),
    labels: rows('labels'),
  }
})
const num_items_in_batch = batches
  .flatMap(({ labels }) => labels)
  .reduce((n, row) => n + row.slice(1).filter((label) => label !== -100).length, 0)

describe.each<[string, Objective]>([
  ['smoothed', { label_smoothing_factor: 0.1 }],
  ['dft', { loss_type: 'dft' }],
])('%s', (name, objective) => {
  it('losses and accumulated adapter gradients', async () => {
    const config = new LoraConfig({ r: 4, lora_alpha: 8, target_modules: 'all-linear' })
    const model = get_peft_model(await tinyModel('tiny-llama', { dtype: 'float32' }), config)
    for (const [key, { data }] of model.named_parameters()) {
      using start = Tensor.from(Float32Array.from(expected.get(`init.${key}`)!.data), { shape: data.shape })
      copy(start, data)
    }
    for (const [i, batch] of batches.entries()) {
      const { loss } = await model.forward_backward(batch, { objective, num_items_in_batch })
      const wanted = Number(expected.get(`${name}.loss`)!.data[i])
      expect(Math.abs(loss - wanted)).toBeLessThanOrEqual(2e-5)
      expect(Math.abs(loss / wanted - 1)).toBeLessThanOrEqual(1e-5)
    }
    const gradients = Object.entries(await takeGradients(model.parameters()))
    const keys = [...expected.keys()].filter((key) => key.startsWith(`${name}.grad.`))
    expect(gradients.length).toBe(keys.length)
    for (const [key, gradient] of gradients)
      expect(relative(gradient, expected.get(`${name}.grad.${key}`)!.data), key).toBeLessThanOrEqual(1e-4)
  })
})
