import { describe, expect, it, onTestFinished } from 'vitest'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import { LoraConfig, type LoraInit } from '../../src/peft/config'
import { get_peft_model, PeftModel } from '../../src/peft/model'
import { load_safetensors } from '../../src/tensor/safetensors'
import { join } from 'node:path'
import { temporaryFolder } from '../files/support/temporary'
import { liveBytes, takeGradients } from '../models/tiny'
import { golden } from '../support/shared'
import { goldenTensors, maxAbs, relative, rowsOf } from './support'

// Embeddings trained in full and by rows, and a resized vocabulary, beside PEFT (new_tokens.py).

const expected = await goldenTensors('new_tokens', 'values.safetensors')
const of = (key: string): ArrayLike<number> => expected.get(key)!.data

async function loaded(folder: string): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.from_pretrained(golden(folder), { dtype: 'float32' })
  onTestFinished(() => model.unload().dispose())
  return model
}

async function lastLogits(model: CausalLM | PeftModel, input_ids: number[][]): Promise<Float32Array> {
  const { logits } = await model.forward({ input_ids })
  const [rows, width, vocab] = logits.shape as [number, number, number]
  const all = await logits.data()
  logits.dispose()
  const last = Array.from({ length: rows }, (_, r) => [
    ...all.subarray((r * width + width - 3) * vocab, (r + 1) * width * vocab),
  ])
  return Float32Array.from(last.flat())
}

describe.each([
  ['full', 'tiny-llama-rope3', 256],
  ['full_tied', 'tiny-gemma', 128],
  ['rows', 'tiny-llama-rope3', 256],
  ['rows_tied', 'tiny-gemma', 128],
  ['resized', 'tiny-llama-rope3', 259],
])('%s', (name, base, vocab) => {
  const input_ids = rowsOf(expected.get(`${name}.input_ids`)!)

  it("PEFT's file gives PEFT's logits, loss and gradients, and is written as PEFT writes it", async () => {
    const model = await loaded(base)
    model.resize_token_embeddings(vocab)
    const peft = await PeftModel.from_pretrained(model, golden('new_tokens', name))
    expect(maxAbs(await lastLogits(peft, input_ids), of(`${name}.logits`))).toBeLessThanOrEqual(1e-4)
    const { loss } = await peft.forward_backward({ input_ids, labels: input_ids })
    expect(Math.abs(loss - of(`${name}.loss`)[0]!)).toBeLessThanOrEqual(2e-5)
    const gradients = Object.entries(await takeGradients(peft.parameters()))
    const keys = [...expected.keys()].filter((key) => key.startsWith(`${name}.grad.`))
    expect(gradients.map(([key]) => `${name}.grad.${key}`).sort()).toEqual(keys.sort())
    for (const [key, gradient] of gradients)
      expect(relative(gradient, of(`${name}.grad.${key}`)), key).toBeLessThanOrEqual(1e-4)

    const folder = await temporaryFolder()
    await peft.save_pretrained(folder)
    const [ours, theirs] = [folder, golden('new_tokens', name)].map((at) =>
      load_safetensors(join(at, 'adapter_model.safetensors')),
    )
    for (const [key, tensor] of Object.entries(await theirs!)) {
      using wanted = tensor
      using got = (await ours!)[key]!
      expect(got.shape, key).toEqual(wanted.shape)
      expect(maxAbs(await got.data(), await wanted.data()), key).toBe(0)
    }
    expect(Object.keys(await ours!).sort()).toEqual(Object.keys(await theirs!).sort())
  })

  it('without the adapter the base answers as before; merged it answers alike', async () => {
    const model = await loaded(base)
    model.resize_token_embeddings(vocab)
    const ids = input_ids.map((row) => row.map((id) => id % 128))
    const before = await lastLogits(model, ids)
    const peft = await PeftModel.from_pretrained(model, golden('new_tokens', name))
    const adapted = await lastLogits(peft, ids)
    expect(maxAbs(adapted, before)).toBeGreaterThan(1e-3)
    if (name !== 'resized') {
      const off = await peft.disable_adapter(() => lastLogits(peft, ids))
      expect(maxAbs(off, before)).toBe(0)
      expect(maxAbs(await lastLogits(peft, ids), adapted)).toBe(0)
    }
    const merged = await peft.merge_and_unload()
    expect(maxAbs(await lastLogits(merged, ids), adapted)).toBeLessThanOrEqual(1e-5)
  })

  it('taken off it leaves nothing behind', async () => {
    const model = await loaded(base)
    model.resize_token_embeddings(vocab)
    const before = await liveBytes()
    const peft = await PeftModel.from_pretrained(model, golden('new_tokens', name))
    await peft.forward_backward({ input_ids, labels: input_ids })
    peft.unload()
    expect(await liveBytes()).toBe(before)
  })
})

describe('trainable_token_indices and modules_to_save', () => {
  it.each<[LoraInit, string, string]>([
    [
      { trainable_token_indices: [3, 256] },
      'tiny-llama-rope3',
      "256 is no token: the model's embedding ends at 255",
    ],
    [{ trainable_token_indices: [3, 3] }, 'tiny-llama-rope3', "a row of 'embed_tokens' is given twice"],
    [{ trainable_token_indices: [] }, 'tiny-llama-rope3', "'embed_tokens' has no rows"],
    [
      { trainable_token_indices: { norm: [1] } },
      'tiny-llama-rope3',
      "'norm' is not supported; supported: lm_head, embed_tokens",
    ],
    [{ trainable_token_indices: { lm_head: [1] } }, 'tiny-gemma', "give 'embed_tokens' the same rows"],
    [
      { trainable_token_indices: [1], modules_to_save: ['embed_tokens'] },
      'tiny-llama-rope3',
      "'embed_tokens' trains in full already (modules_to_save); give one",
    ],
    [
      { modules_to_save: ['norm'] },
      'tiny-llama-rope3',
      "'norm' is not supported; supported: lm_head, embed_tokens",
    ],
  ])('%j', async (lora, base, message) => {
    const model = await loaded(base)
    const before = await liveBytes()
    expect(() => get_peft_model(model, new LoraConfig(lora))).toThrow(message)
    expect(await liveBytes()).toBe(before)
  })

  it('rows of a head that is not the embedding train by themselves', async () => {
    const model = await loaded('tiny-llama-rope3')
    const peft = get_peft_model(model, new LoraConfig({ trainable_token_indices: { lm_head: [7, 9] } }))
    const input_ids = [[7, 9, 11, 7]]
    const before = await lastLogits(peft, input_ids)
    await peft.forward_backward({ input_ids, labels: input_ids })
    const [name, { data, grad }] = peft.named_parameters().at(-1)!
    expect(name).toBe('base_model.model.lm_head.token_adapter.trainable_tokens_delta')
    expect(data.shape).toEqual([2, 64])
    expect((await grad!.data()).some((value) => value !== 0)).toBe(true)
    data.write(new Uint8Array(new Float32Array(128).buffer))
    const after = await lastLogits(peft, input_ids)
    const changed = [...after.keys()].filter((i) => after[i] !== before[i]).map((i) => i % 256)
    expect([...new Set(changed)].sort((a, b) => a - b)).toEqual([7, 9])
  })
})
