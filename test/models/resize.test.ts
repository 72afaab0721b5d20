import { expect, it, onTestFinished } from 'vitest'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import { AutoPeftModelForCausalLM } from '../../src/peft/auto'
import { LoraConfig } from '../../src/peft/config'
import { get_peft_model, PeftModel } from '../../src/peft/model'
import type { Linear } from '../../src/nn/linear'
import { join } from 'node:path'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'
import { load_safetensors } from '../../src/tensor/safetensors'
import { tinyTokenizer } from '../data/tiny'
import { figures } from '../trainer/stoppable'
import { tinyTrainer } from '../trainer/tiny'

async function loaded(name: string): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.from_pretrained(golden(name), { dtype: 'float32' })
  onTestFinished(() => model.unload().dispose())
  return model
}

async function logits(model: CausalLM | PeftModel, input_ids: number[][]): Promise<Float32Array> {
  const { logits } = await model.forward({ input_ids })
  const values = await logits.data()
  logits.dispose()
  return values
}

it.each(['tiny-llama', 'tiny-llama-tied'])(
  '%s: old rows stay, new ones begin at their mean',
  async (name) => {
    const model = await loaded(name)
    const vocab = model.config.vocab_size
    const { cols } = model.parts.embed_tokens.weight
    const old = await model.parts.embed_tokens.weight.data()
    const before = await logits(model, [[5, 9, 2]])
    expect(model.resize_token_embeddings(vocab + 5)).toBe(model.parts.embed_tokens)
    expect([model.config.vocab_size, model.blueprint.head.outFeatures]).toEqual([vocab + 5, vocab + 5])
    const { weight } = model.parts.embed_tokens
    expect(weight.shape).toEqual([vocab + 5, cols])
    const head = model.parts.lm_head as Linear
    expect(head.weight === weight).toBe(name === 'tiny-llama-tied')
    const rows = await weight.data()
    expect(rows.slice(0, old.length)).toEqual(old)
    let noise = 0
    for (let c = 0; c < cols; c++) {
      let mean = 0
      for (let r = 0; r < vocab; r++) mean += old[r * cols + c]! / vocab
      let variance = 0
      for (let r = 0; r < vocab; r++) variance += (old[r * cols + c]! - mean) ** 2 / vocab
      for (let r = vocab; r < vocab + 5; r++) {
        const z = (rows[r * cols + c]! - mean) / Math.sqrt(1e-9 * variance)
        expect(Math.abs(z)).toBeLessThan(6)
        noise += z * z
      }
    }
    expect(Math.abs(noise / (5 * cols) - 1)).toBeLessThan(0.3)
    const after = await logits(model, [[5, 9, 2]])
    for (let t = 0; t < 3; t++)
      expect(after.subarray(t * (vocab + 5), t * (vocab + 5) + vocab)).toEqual(
        before.subarray(t * vocab, (t + 1) * vocab),
      )
  },
)

it('rounds up, shrinks, begins normal when asked', async () => {
  const model = await loaded('tiny-llama')
  model.resize_token_embeddings(null, { pad_to_multiple_of: 100, mean_resizing: false })
  expect(model.config.vocab_size).toBe(600)
  const rows = (await model.parts.embed_tokens.weight.data()).slice(512 * 64)
  const deviation = Math.sqrt(rows.reduce((sum, x) => sum + x * x, 0) / rows.length)
  expect(Math.abs(deviation / 0.02 - 1)).toBeLessThan(0.1)
  model.resize_token_embeddings(50)
  expect(model.parts.lm_head.outFeatures).toBe(50)
  expect((await logits(model, [[49]])).length).toBe(50)
})

it('names what is wrong', async () => {
  const model = await loaded('tiny-llama')
  expect(() => model.resize_token_embeddings(0)).toThrow('new_num_tokens: got 0, needs a whole number >= 1')
  expect(() => model.resize_token_embeddings(9, { pad_to_multiple_of: 1.5 })).toThrow(
    'pad_to_multiple_of: got 1.5',
  )
  get_peft_model(model, new LoraConfig())
  expect(() => model.resize_token_embeddings(600)).toThrow('the model has an adapter')
})

it('new tokens are learned, saved with the adapter and loaded again', async () => {
  const tokenizer = await tinyTokenizer()
  tokenizer.add_special_tokens({ pad_token: '<pad>', extra_special_tokens: ['<|im_start|>', '<|im_end|>'] })
  const model = await loaded('tiny-llama')
  model.resize_token_embeddings(516)
  tokenizer.add_tokens(Array.from({ length: 516 - tokenizer.length }, (_, i) => `<${i}>`))
  const ids = [513, 514, 515]
  const trainer = await tinyTrainer(
    { max_steps: 10, learning_rate: 1e-2 },
    { model, processing_class: tokenizer, peft_config: new LoraConfig({ trainable_token_indices: ids }) },
  )
  await trainer.train()
  const losses = figures(trainer).flatMap(({ loss }) => loss ?? [])
  expect(losses.at(-1)).toBeLessThan(losses[0]!)
  const folder = await temporaryFolder()
  await trainer.model.save_pretrained(folder)
  const expected = await logits(trainer.model, [ids])

  const fresh = await loaded('tiny-llama')
  await expect(PeftModel.from_pretrained(fresh, folder)).rejects.toThrow(
    "513 is no token: the model's embedding ends at 511, and resize_token_embeddings makes it longer",
  )
  fresh.resize_token_embeddings(520)
  await expect(PeftModel.from_pretrained(fresh, folder)).rejects.toThrow(
    "'model.embed_tokens' has 516 rows; the model has 520: call model.resize_token_embeddings(516) first",
  )
  fresh.resize_token_embeddings(516)
  expect(await logits(await PeftModel.from_pretrained(fresh, folder), [ids])).toEqual(expected)

  const auto = await AutoPeftModelForCausalLM.from_pretrained(folder)
  onTestFinished(() => auto.dispose())
  expect(await logits(auto, [ids])).toEqual(expected)
})

// The names that PEFT 0.21 writes: tables around which there is a token adapter, and rows of a tied head once more.
it.each([
  ['tiny-llama', 'lm_head.weight', []],
  ['tiny-llama-tied', 'lm_head.token_adapter.base_layer.weight', ['lm_head']],
])('%s: rows of a resized vocabulary are written under the names of PEFT', async (name, head, tied) => {
  const model = await loaded(name)
  model.resize_token_embeddings(516)
  const peft = get_peft_model(model, new LoraConfig({ trainable_token_indices: [512, 513] }))
  const folder = await temporaryFolder()
  await peft.save_pretrained(folder)
  const tensors = await load_safetensors(join(folder, 'adapter_model.safetensors'))
  const tables = ['model.embed_tokens', ...tied].map((path) => `${path}.token_adapter.trainable_tokens_delta`)
  const wanted = [...tables, 'model.embed_tokens.token_adapter.base_layer.weight', head]
  const names = Object.keys(tensors).filter((key) => !key.includes('lora_'))
  expect(names.sort()).toEqual(wanted.map((key) => `base_model.model.${key}`).sort())
  for (const tensor of Object.values(tensors)) tensor.dispose()
  const before = await logits(peft, [[513, 2]])
  const fresh = await loaded(name)
  fresh.resize_token_embeddings(516)
  expect(await logits(await PeftModel.from_pretrained(fresh, folder), [[513, 2]])).toEqual(before)
})
