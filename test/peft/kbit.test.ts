import { expect, it } from 'vitest'
import type { Linear } from '../../src/nn/linear'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { LoraConfig } from '../../src/peft/config'
import { prepare_model_for_kbit_training } from '../../src/peft/kbit'
import { get_peft_model } from '../../src/peft/model'
import { randomInputs, tinyModel } from '../models/tiny'

const inputs = randomInputs([9, 5])

async function logits(model: Awaited<ReturnType<typeof tinyModel>>): Promise<Float32Array> {
  const out = await model.forward(inputs)
  expect(out.logits.dtype).toBe('float32')
  return out.logits.data<Float32Array>()
}

it('widens what is not quantized, and the activations with it; weights in 4 bits stay', async () => {
  const quantization_config = new BitsAndBytesConfig({
    load_in_4bit: true,
    bnb_4bit_quant_type: 'nf4',
    bnb_4bit_compute_dtype: 'bfloat16',
  })
  const model = await tinyModel('tiny-llama', { dtype: 'bfloat16', quantization_config })
  const before = new Map<string, Float32Array>()
  for (const { key, load } of model.tensors()) {
    using tensor = load()
    before.set(key, Float32Array.from(await tensor.data()))
  }
  expect(prepare_model_for_kbit_training(model)).toBe(model)
  expect([model.dtype, model.parts.norm.weight.dtype, model.parts.embed_tokens.weight.dtype]).toEqual(
    Array(3).fill('float32'),
  )
  expect(model.is_gradient_checkpointing).toBe(true)
  for (const { key, load } of model.tensors()) {
    using tensor = load()
    expect(Float32Array.from(await tensor.data()), key).toEqual(before.get(key))
  }
  const out = await model.forward(inputs)
  expect(out.logits.dtype).toBe('float32')
  // The adapter trains on it.
  const peft = get_peft_model(model, new LoraConfig({ r: 2, init_lora_weights: false }))
  expect((await peft.forward_backward(inputs)).loss).toBeGreaterThan(0)
  expect(peft.parameters().every((p) => p.grad)).toBe(true)
  expect(() => prepare_model_for_kbit_training(model)).toThrow('call it before get_peft_model')
  expect(() => prepare_model_for_kbit_training(peft as never)).toThrow(
    'needs a model from AutoModelForCausalLM',
  )
})

it('a model in 16 bits then computes as its rounded weights do in float32; a tied head stays tied', async () => {
  for (const folder of ['tiny-llama', 'tiny-llama-tied'] as const) {
    const model = await tinyModel(folder, { dtype: 'bfloat16' })
    prepare_model_for_kbit_training(model, { use_gradient_checkpointing: true })
    expect(model.is_gradient_checkpointing).toBe(false) // it is not quantized
    const plain = await tinyModel(folder, { dtype: 'float32' })
    const [a, b] = [await logits(model), await logits(plain)]
    const distance = Math.max(...a.map((x, i) => Math.abs(x - b[i]!)))
    // The weights of tiny-llama-tied are numbers of bfloat16: nothing but the activations differs, and these are wide again.
    if (folder === 'tiny-llama-tied') expect(distance).toBe(0)
    else expect(distance).toBeLessThan(0.05)
    expect(model.parts.lm_head.inFeatures).toBe(64)
    const tied = model.parts.lm_head as Linear
    expect(tied.weight === model.parts.embed_tokens.weight).toBe(folder === 'tiny-llama-tied')
  }
})
