import { cpSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import '../../src/generation/mixin'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { inverseFrequencies } from '../../src/nn/rope-frequencies'
import { golden } from '../support/shared'
import { goldenTensors, liveBytes, masked, maxAbs, numbers, relative, rowsOf } from './support'

// Forward pass against transformers (+ bitsandbytes), test/parity/golden/README.md "tiny_forward".

const models = [
  'tiny-llama',
  'tiny-llama-nf4',
  'tiny-llama-nf4-nodq',
  'tiny-llama-rope3',
  'tiny-llama-tied',
  'tiny-llama-bias',
  'tiny-llama-bias-nf4',
  'tiny-qwen2',
  'tiny-mistral-swa',
]
/** Those with golden logits in bfloat16, and those with golden greedy text. */
const bf16Models = ['tiny-llama', 'tiny-llama-nf4']
const greedyModels: string[] = ['tiny-llama', 'tiny-llama-nf4']
let tensors: Awaited<ReturnType<typeof goldenTensors>>

beforeAll(async () => {
  tensors = await goldenTensors('tiny_forward.safetensors')
})

/** The quantized forms use the inputs of the model they were made from. */
function inputsOf(model: string): { input_ids: number[][]; attention_mask: number[][]; labels: number[][] } {
  const from = tensors.has(`${model}.input_ids`) ? model : model.replace(/-nf4(-nodq)?$/, '')
  const rows = (key: string): number[][] => rowsOf(tensors.get(`${from}.${key}`)!)
  return { input_ids: rows('input_ids'), attention_mask: rows('attention_mask'), labels: rows('labels') }
}

describe.each(models)('%s', (name) => {
  it('float32 logits and loss', async () => {
    const before = await liveBytes()
    const model = await AutoModelForCausalLM.from_pretrained(golden(name), { dtype: 'float32' })
    const inputs = inputsOf(name)
    const output = await model.forward({ ...inputs, output_hidden_states: true })
    const vocab = model.config.vocab_size
    const expected = tensors.get(`${name}.f32.logits`)!
    expect(output.logits.shape).toEqual(expected.shape)
    const logits = masked(await numbers(output.logits), inputs.attention_mask, vocab)
    expect(maxAbs(logits, masked(expected.data, inputs.attention_mask, vocab))).toBeLessThanOrEqual(5e-5)
    expect(Math.abs(output.loss! - Number(tensors.get(`${name}.f32.loss`)!.data[0]))).toBeLessThanOrEqual(
      1e-5,
    )
    for (const [i, hidden] of output.hidden_states!.entries()) {
      const reference = tensors.get(`${name}.f32.hidden.${i}`)
      const width = model.config.hidden_size
      if (reference) {
        const values = masked(await numbers(hidden), inputs.attention_mask, width)
        expect(maxAbs(values, masked(reference.data, inputs.attention_mask, width))).toBeLessThanOrEqual(5e-5)
      }
      hidden.dispose()
    }
    output.logits.dispose()
    model.dispose()
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  })

  if (bf16Models.includes(name))
    it('bfloat16 logits', async () => {
      const model = await AutoModelForCausalLM.from_pretrained(golden(name), { dtype: 'bfloat16' })
      const inputs = inputsOf(name)
      const output = await model.forward(inputs)
      const vocab = model.config.vocab_size
      const logits = masked(await numbers(output.logits), inputs.attention_mask, vocab)
      const reference = (key: string): Float64Array =>
        masked(tensors.get(`${name}.${key}.logits`)!.data, inputs.attention_mask, vocab)
      expect(relative(logits, reference('bf16'))).toBeLessThanOrEqual(2e-2)
      expect(relative(logits, reference('f32'))).toBeLessThanOrEqual(1.5e-2)
      expect(Math.abs(output.loss! - Number(tensors.get(`${name}.bf16.loss`)!.data[0]))).toBeLessThanOrEqual(
        1e-2,
      )
      output.logits.dispose()
      model.dispose()
    })

  if (greedyModels.includes(name))
    it('greedy text, with and without the cache', async () => {
      const prompt = tensors.get(`${name}.greedy.prompt`)!
      const model = await AutoModelForCausalLM.from_pretrained(golden(name), { dtype: 'float32' })
      const expected = Array.from(tensors.get(`${name}.greedy.sequence`)!.data, Number)
      const ids = Array.from(prompt.data, Number)
      for (const use_cache of [true, false]) {
        const options = { max_new_tokens: 16, eos_token_id: [], use_cache }
        const [sequence] = await model.generate({ input_ids: [ids] }, options)
        expect(sequence).toEqual(expected)
      }
      model.dispose()
    })
})

it('rotary frequencies of the llama3 kind', () => {
  const rope = {
    rope_type: 'llama3',
    rope_theta: 10000,
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 64,
  }
  expect(
    relative(inverseFrequencies(16, rope), tensors.get('tiny-llama-rope3.inv_freq')!.data),
  ).toBeLessThanOrEqual(1e-7)
  expect(
    relative(
      inverseFrequencies(16, { rope_type: 'default', rope_theta: 10000 }),
      tensors.get('tiny-llama.inv_freq')!.data,
    ),
  ).toBeLessThanOrEqual(1e-7)
})

describe('both spellings of a config', () => {
  const folder = mkdtempSync(join(tmpdir(), 'qlora-config-'))
  afterAll(() => cpSync(golden('tiny-llama-rope3', 'config.json'), join(folder, 'config.json')))

  it('config.legacy.json gives the same logits', async () => {
    cpSync(golden('tiny-llama-rope3', 'model.safetensors'), join(folder, 'model.safetensors'))
    cpSync(golden('tiny-llama-rope3', 'config.legacy.json'), join(folder, 'config.json'))
    const inputs = inputsOf('tiny-llama-rope3')
    const logits: Float32Array[] = []
    for (const path of [folder, golden('tiny-llama-rope3')]) {
      const model = await AutoModelForCausalLM.from_pretrained(path)
      const output = await model.forward(inputs)
      logits.push(await numbers(output.logits))
      output.logits.dispose()
      model.dispose()
    }
    expect(logits[0]).toEqual(logits[1])
  })
})
