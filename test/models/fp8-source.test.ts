import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { SafetensorsFile } from '../../src/files/safetensors'
import { writeSafetensors } from '../../src/files/safetensors-write'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { PretrainedOptions } from '../../src/models/pretrained-options'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { temporaryFolder } from '../files/support/temporary'
import { goldenTensors, masked, maxAbs, numbers, rowsOf } from '../parity/support'
import { golden } from '../support/shared'

const name = 'tiny-qwen3-fp8'
const options: PretrainedOptions = { dtype: 'float32' }
const expected = await goldenTensors(name, 'expected.safetensors')
const inputs = await goldenTensors('tiny-qwen3', 'expected.safetensors')

it('weights to the bit as transformers dequantizes them, and its logits (test/parity/fp8.py)', async () => {
  const model = await AutoModelForCausalLM.from_pretrained(golden(name), options)
  onTestFinished(() => model.dispose())
  let compared = 0
  for (const { key, load } of model.tensors()) {
    const wanted = expected.get(key)
    if (!wanted) continue
    using tensor = load()
    expect(Array.from(await numbers(tensor)), key).toEqual(Array.from(wanted.data))
    compared++
  }
  expect(compared).toBe(7)
  const batch = {
    input_ids: rowsOf(inputs.get('input_ids')!),
    attention_mask: rowsOf(inputs.get('attention_mask')!),
  }
  const { logits } = await model.forward(batch)
  const vocab = model.config.vocab_size
  const [ours, theirs] = [await numbers(logits), expected.get('logits')!.data].map((values) =>
    masked(values, batch.attention_mask, vocab),
  ) as [Float64Array, Float64Array]
  logits.dispose()
  expect(maxAbs(ours, theirs)).toBeLessThanOrEqual(5e-5)
  // What is loaded is no longer quantized, and says so when it is saved.
  expect(model.quantization_config).toBeUndefined()
  expect(model.config.to_dict()).not.toHaveProperty('quantization_config')
})

it('is quantized to 4 bits from there', async () => {
  const quantization_config = new BitsAndBytesConfig({ load_in_4bit: true, bnb_4bit_quant_type: 'nf4' })
  const model = await AutoModelForCausalLM.from_pretrained(golden(name), { ...options, quantization_config })
  onTestFinished(() => model.dispose())
  const key = 'model.layers.0.mlp.down_proj.weight'
  const found = [...model.tensors()].find((tensor) => tensor.key === key)!
  using tensor = found.load()
  const wanted = expected.get(key)!.data
  const most = Math.max(...Array.from(wanted, Math.abs))
  expect(maxAbs(await numbers(tensor), wanted)).toBeLessThanOrEqual(0.16 * most)
  expect(model.linearSlots().next().value!.get()).toMatchObject({ className: 'Linear4bit' })
})

/** A copy of the golden model with other tensors or another quantization_config. */
async function changed(
  tensors: Record<string, { dtype?: 'F32' | 'F8_E4M3'; shape: number[]; data: Uint8Array } | null>,
  quantization: object = {},
): Promise<string> {
  const folder = await temporaryFolder()
  const config = JSON.parse(await readFile(golden(name, 'config.json'), 'utf8')) as {
    quantization_config: object
  }
  Object.assign(config.quantization_config, quantization)
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  const file = await SafetensorsFile.open(golden(name, 'model.safetensors'))
  const entries = []
  for (const [key, { dtype, shape }] of file.tensors) {
    const other = tensors[key]
    if (other === null) continue
    entries.push({ name: key, dtype, shape, data: await file.read(key), ...other })
  }
  await file.close()
  await writeSafetensors(join(folder, 'model.safetensors'), entries, { format: 'pt' })
  return folder
}

const q = 'model.layers.1.self_attn.q_proj.weight'
it.each([
  [{ [`${q}_scale_inv`]: null }, {}, `'${q}' is F8_E4M3, but the checkpoint has no '${q}_scale_inv'`],
  [
    { [`${q}_scale_inv`]: { shape: [2, 2], data: new Uint8Array(16) } },
    {},
    `'${q}_scale_inv' has shape (2, 2); blocks of 16 x 16 of a matrix (64, 32) need (4, 2)`,
  ],
  [{}, { weight_block_size: [32, 16] }, 'blocks of 32 x 16 of a matrix'],
  [{}, { weight_block_size: 128 }, 'weight_block_size must be two positive integers or null, got 128'],
  [
    { [q]: { shape: [64, 32], data: new Uint8Array(64 * 32).fill(0x7f) } },
    {},
    `'${q}' is NaN or infinite at element 0`,
  ],
  [{ [q]: { shape: [32, 64], data: new Uint8Array(64 * 32) } }, {}, `'${q}' has shape (32, 64)`],
])('%#: a checkpoint at fault is refused', async (tensors, quantization, message) => {
  const folder = await changed(tensors, quantization)
  await expect(AutoModelForCausalLM.from_pretrained(folder, options)).rejects.toThrow(message)
})
