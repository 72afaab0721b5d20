import { describe, expect, it, onTestFinished } from 'vitest'
import '../../src/generation/mixin'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import { keepInput, keepProducts, uniformPlan, type LayerPlan } from '../../src/models/memory-plan'
import { packInputs } from '../../src/models/padding'
import { runPass } from '../../src/models/pass'
import { LoraConfig } from '../../src/peft/config'
import { get_peft_model } from '../../src/peft/model'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { copy } from '../../src/tensor/ops'
import { Tensor } from '../../src/tensor/tensor'
import { takeGradients } from '../models/tiny'
import { golden } from '../support/shared'
import { familyModels, madeModels } from './family-models'
import { goldenTensors, masked, maxAbs, numbers, relative, rowsOf } from './support'

// A model of each family against transformers and PEFT (families.py), unquantized and in 4 bits.

const inputs = await goldenTensors('tiny_forward.safetensors')
const others = await goldenTensors('families.safetensors')
const expectedOf = new Map(
  await Promise.all(
    madeModels.map(async (name) => [name, await goldenTensors(name, 'expected.safetensors')] as const),
  ),
)
const nf4 = new BitsAndBytesConfig({
  ...{ load_in_4bit: true, bnb_4bit_quant_type: 'nf4' },
  bnb_4bit_compute_dtype: 'float32',
})
const recomputed: LayerPlan = { ...keepProducts, attention: 'recompute', mlp: 'recompute' }

async function load(name: string, kind: 'f32' | 'nf4'): Promise<CausalLM> {
  const quantization = kind === 'nf4' && { quantization_config: nf4 }
  const model = await AutoModelForCausalLM.from_pretrained(golden(name), {
    dtype: 'float32',
    ...quantization,
  })
  onTestFinished(() => model.dispose())
  return model
}

const cases = Object.values(familyModels).flatMap(({ model: name }) =>
  (['f32', 'nf4'] as const).map((kind) => [name, kind] as const),
)

describe.each(cases)('%s %s', (name, kind) => {
  // A made model has a file of its own; with the same start of the adapter for both kinds.
  const own = expectedOf.get(name)
  const prefix = own ? `${kind}.` : `${name}.${kind}.`
  const reference = (key: string): { shape: readonly number[]; data: ArrayLike<number> } =>
    own ? (own.get(prefix + key) ?? own.get(`f32.${key}`)!) : others.get(prefix + key)!
  const rows = (key: string): number[][] => rowsOf(own ? own.get(key)! : inputs.get(`${name}.${key}`)!)
  const batch = {
    input_ids: rows('input_ids'),
    attention_mask: rows('attention_mask'),
    labels: rows('labels'),
  }

  it('logits and loss', async () => {
    const model = await load(name, kind)
    const output = await model.forward(batch)
    const vocab = model.config.vocab_size
    const logits = masked(await numbers(output.logits), batch.attention_mask, vocab)
    output.logits.dispose()
    const wanted = masked(reference('logits').data, batch.attention_mask, vocab)
    expect(maxAbs(logits, wanted)).toBeLessThanOrEqual(5e-5)
    expect(Math.abs(output.loss! - Number(reference('loss').data[0]))).toBeLessThanOrEqual(1e-5)
  })

  it('greedy text, with and without the cache', async () => {
    const model = await load(name, kind)
    const sequence = Array.from(reference('greedy').data, Number)
    // With 'dynamic' the keys of a cache stay turned as they were when they came.
    for (const use_cache of name === 'tiny-llama-dynamic' ? [true] : [true, false]) {
      const options = { max_new_tokens: 24, eos_token_id: [], use_cache }
      expect(await model.generate({ input_ids: [sequence.slice(0, 6)] }, options)).toEqual([sequence])
    }
  })

  it('gradients of an adapter on all linear layers, the same bits under every plan', async () => {
    const config = new LoraConfig({ r: 4, lora_alpha: 8, target_modules: 'all-linear' })
    const model = get_peft_model(await load(name, kind), config)
    for (const [key, { data }] of model.named_parameters()) {
      using start = Tensor.from(Float32Array.from(reference(`lora.init.${key}`).data), { shape: data.shape })
      copy(start, data)
    }
    const { packed } = packInputs(batch, model.config.vocab_size)
    const results = []
    for (const layer of [keepProducts, keepInput, recomputed, { ...keepInput, x: 'offload' } as const]) {
      const plan = uniformPlan(layer, model.config.num_hidden_layers)
      const { lossSum, numTargets } = await runPass(model.base_model, packed, { plan })
      results.push({ loss: lossSum / numTargets, gradients: await takeGradients(model.parameters()) })
    }
    const [{ loss, gradients }] = results as [(typeof results)[0]]
    for (const other of results) expect(other).toEqual({ loss, gradients })
    expect(Math.abs(loss - Number(reference('lora.loss').data[0]))).toBeLessThanOrEqual(2e-5)
    const keys = [...(own ?? others).keys()].filter((key) => key.startsWith(`${prefix}lora.grad.`))
    expect(Object.keys(gradients).length).toBe(keys.length)
    for (const [key, gradient] of Object.entries(gradients))
      expect(relative(gradient, reference(`lora.grad.${key}`).data), key).toBeLessThanOrEqual(1e-4)
  })
})
