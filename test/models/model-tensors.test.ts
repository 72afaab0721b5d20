import { expect, it } from 'vitest'
import { maxAbs, numbers } from '../parity/support'
import { golden } from '../support/shared'
import { load_safetensors } from '../../src/tensor/safetensors'
import { liveBytes, tinyModel, tinyPeft } from './tiny'

it.each(['tiny-llama', 'tiny-llama-tied', 'tiny-llama-bias'] as const)(
  '%s: tensors() is the checkpoint, key by key',
  async (name) => {
    const stored = await load_safetensors(golden(name, 'model.safetensors'))
    const model = await tinyModel(name)
    const before = await liveBytes()
    const seen: string[] = []
    for (const { key, shape, dtype, load } of model.tensors()) {
      seen.push(key)
      const expected = stored[key]!
      expect([shape, dtype]).toEqual([expected.shape, expected.dtype])
      using tensor = load()
      expect(await numbers(tensor)).toEqual(await numbers(expected))
    }
    expect(await liveBytes()).toBe(before)
    expect(seen.sort()).toEqual(Object.keys(stored).sort())
    for (const tensor of Object.values(stored)) tensor.dispose()
  },
)

it('4-bit weights are dequantized, and an adapter on them changes nothing', async () => {
  const stored = await load_safetensors(golden('tiny-llama', 'model.safetensors'))
  const peft = await tinyPeft({}, 'tiny-llama-nf4')
  const keys: string[] = []
  for (const { key, shape, dtype, load } of peft.base_model.tensors()) {
    keys.push(key)
    using tensor = load()
    expect([tensor.shape, tensor.dtype]).toEqual([shape, dtype])
    const [values, exact] = [await numbers(tensor), await numbers(stored[key]!)]
    // The widest gap between codes is 0.304 of a block's maximum; weights here are below 1.
    const isQuantized = key.includes('_proj')
    expect(maxAbs(values, exact), key).toBeLessThanOrEqual(isQuantized ? 0.16 : 0)
    if (isQuantized) expect(maxAbs(values, exact), key).toBeGreaterThan(0)
  }
  expect(keys.sort()).toEqual(Object.keys(stored).sort())
  for (const tensor of Object.values(stored)) tensor.dispose()
})

it('the embedding is read from host memory too', async () => {
  const model = await tinyModel()
  const [first] = model.tensors()
  using before = first!.load()
  model.parts.embed_tokens.place('host')
  using after = [...model.tensors()][0]!.load()
  expect(await numbers(after)).toEqual(await numbers(before))
})
