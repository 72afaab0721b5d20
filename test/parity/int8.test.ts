import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import { Linear } from '../../src/nn/linear'
import { Linear8bit } from '../../src/nn/linear8bit'
import { baseLayer } from '../../src/nn/lora'
import { DryRun } from '../../src/memory/dry-run'
import { cpuMachine } from '../../src/memory/machine'
import { LoraConfig } from '../../src/peft/config'
import { get_peft_model, type PeftModel } from '../../src/peft/model'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { copy } from '../../src/tensor/ops'
import { load_safetensors, save_safetensors } from '../../src/tensor/safetensors'
import { Tensor } from '../../src/tensor/tensor'
import { TrainingArguments } from '../../src/trainer/arguments'
import { temporaryFolder } from '../files/support/temporary'
import { liveBytes, takeGradients } from '../models/tiny'
import { golden } from '../support/shared'
import { figures } from '../trainer/stoppable'
import { tinyPreference, tinyTrainer } from '../trainer/tiny'
import { goldenTensors, maxAbs, relative, rowsOf } from './support'

// tiny-llama in 8 bits beside transformers, bitsandbytes and PEFT on a CPU (int8.py): evaluation by LLM.int8, training with
// dequantized weights.

const expected = await goldenTensors('int8.safetensors')
const input_ids = rowsOf(expected.get('input_ids')!)

async function loaded(folder: string, config?: BitsAndBytesConfig): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.from_pretrained(folder, {
    dtype: 'float32',
    ...(config && { quantization_config: config }),
  })
  onTestFinished(() => model.dispose())
  return model
}

const int8 = (llm_int8_threshold = 2): BitsAndBytesConfig =>
  new BitsAndBytesConfig({ load_in_8bit: true, llm_int8_threshold })

async function lastLogits(model: CausalLM | PeftModel): Promise<Float32Array> {
  const { logits } = await model.forward({ input_ids })
  const all = await logits.data()
  logits.dispose()
  const [rows, width, vocab] = [2, 24, 512]
  return Float32Array.from(
    Array.from({ length: rows }, (_, r) => [
      ...all.subarray((r * width + width - 4) * vocab, (r + 1) * width * vocab),
    ]).flat(),
  )
}

it('logits in evaluation, where outliers matter', async () => {
  const model = await loaded(golden('tiny-llama'), int8())
  const wanted = expected.get('logits')!.data
  expect(maxAbs(await lastLogits(model), wanted)).toBeLessThanOrEqual(1e-4)
  const without = await loaded(golden('tiny-llama'), int8(0))
  expect(maxAbs(await lastLogits(without), wanted)).toBeGreaterThan(1e-3)
})

it('loss and gradients of an adapter in training', async () => {
  const config = new LoraConfig({ r: 2, lora_alpha: 4, target_modules: ['q_proj', 'down_proj'] })
  const model = get_peft_model(await loaded(golden('tiny-llama'), int8()), config)
  for (const [key, { data }] of model.named_parameters()) {
    using start = Tensor.from(Float32Array.from(expected.get(`init.${key}`)!.data), { shape: data.shape })
    copy(start, data)
  }
  const { loss } = await model.forward_backward({ input_ids, labels: input_ids })
  expect(Math.abs(loss - Number(expected.get('loss')!.data[0]))).toBeLessThanOrEqual(2e-5)
  const gradients = Object.entries(await takeGradients(model.parameters()))
  expect(gradients.length).toBe([...expected.keys()].filter((key) => key.startsWith('grad.')).length)
  for (const [key, gradient] of gradients)
    expect(relative(gradient, expected.get(`grad.${key}`)!.data), key).toBeLessThanOrEqual(1e-4)
})

it('load_in_8bit of from_pretrained is short for the configuration', async () => {
  const model = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), { load_in_8bit: true })
  onTestFinished(() => model.dispose())
  expect(baseLayer([...model.linearSlots()][0]!.get())).toBeInstanceOf(Linear8bit)
})

it('quantized layers print as such; llm_int8_skip_modules and the head stay as they are', async () => {
  const config = new BitsAndBytesConfig({ load_in_8bit: true, llm_int8_skip_modules: ['o_proj'] })
  const model = await loaded(golden('tiny-llama'), config)
  for (const slot of model.linearSlots()) {
    const layer = baseLayer(slot.get())!
    const kept = slot.name === 'lm_head' || slot.name.endsWith('o_proj')
    expect(layer, slot.name).toBeInstanceOf(kept ? Linear : Linear8bit)
  }
  expect(model.quantization_config!.to_dict()).toMatchObject({
    _load_in_8bit: true,
    load_in_8bit: true,
    load_in_4bit: false,
  })
  expect(model.quantization_config!.quantization_method()).toBe('llm_int8')
})

/** tiny-llama as transformers saves a model in 8 bits; `change` edits its tensors. */
async function saved(change: (tensors: Record<string, Tensor>) => void = () => {}): Promise<string> {
  const folder = await temporaryFolder()
  await cp(golden('tiny-llama'), folder, { recursive: true })
  const model = await loaded(golden('tiny-llama'), int8())
  const tensors = await load_safetensors(join(folder, 'model.safetensors'))
  const lent = new Set<Tensor>()
  for (const slot of model.linearSlots()) {
    const layer = slot.get()
    if (!(layer instanceof Linear8bit)) continue
    tensors[`${slot.name}.weight`]!.dispose()
    tensors[`${slot.name}.weight`] = layer.weight.codes
    tensors[`${slot.name}.SCB`] = layer.weight.maxima
    for (const tensor of [layer.weight.codes, layer.weight.maxima]) lent.add(tensor)
    tensors[`${slot.name}.weight_format`] = Tensor.from(Uint8Array.of(0), { shape: [] })
  }
  change(tensors)
  await save_safetensors(join(folder, 'model.safetensors'), tensors)
  for (const tensor of Object.values(tensors)) if (!lent.has(tensor)) tensor.dispose()
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as object
  const quantization_config = int8().to_dict()
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, quantization_config }))
  return folder
}

describe('a checkpoint in 8 bits', () => {
  it('is read as it is', async () => {
    const model = await loaded(await saved())
    expect(maxAbs(await lastLogits(model), expected.get('logits')!.data)).toBeLessThanOrEqual(1e-4)
  })

  const first = 'model.layers.0.self_attn.q_proj'
  it.each<[string, (tensors: Record<string, Tensor>) => void, string]>([
    [
      'an old layout',
      (t) => (t[`${first}.weight_format`] = Tensor.from(Uint8Array.of(2), { shape: [] })),
      `'${first}.weight_format' is 2; expected 0`,
    ],
    [
      'maxima of another size',
      (t) => (t[`${first}.SCB`] = Tensor.from(new Float32Array(3))),
      `'${first}.SCB' is 3 values of float32`,
    ],
    [
      'maxima that are not finite',
      (t) => (t[`${first}.SCB`] = Tensor.from(new Float32Array(64).fill(NaN))),
      `'${first}.SCB' has a value that is NaN or infinite`,
    ],
    [
      'codes of another dtype',
      (t) => (t[`${first}.weight`] = Tensor.from(new Float32Array(64 * 64), { shape: [64, 64] })),
      `'${first}.weight' is float32 of shape (64, 64)`,
    ],
    [
      'codes of another shape',
      (t) => (t[`${first}.weight`] = Tensor.from(new Int8Array(64 * 32), { shape: [64, 32] })),
      `'${first}' has shape (64, 32); the config asks for (64, 64)`,
    ],
    ['no maxima', (t) => delete t[`${first}.SCB`], `'${first}.weight' is int8; expected a float dtype`],
  ])('%s is an error that names the tensor', async (_, change, message) => {
    const folder = await saved(change)
    const before = await liveBytes()
    await expect(AutoModelForCausalLM.from_pretrained(folder)).rejects.toThrow(message)
    expect(await liveBytes()).toBe(before)
  })
})

describe('trainers', () => {
  it('SFT on an 8-bit base learns; merged, its layers are quantized again', async () => {
    const model = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), {
      quantization_config: int8(),
    })
    const trainer = await tinyTrainer({ max_steps: 12, learning_rate: 1e-2 }, { model })
    await trainer.train()
    const losses = figures(trainer).flatMap(({ loss }) => loss ?? [])
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.1)
    const before = await lastLogits(trainer.model)
    const merged = await trainer.model.merge_and_unload()
    const layers = [...merged.linearSlots()].map(({ name, get }) => [name, get()] as const)
    for (const [name, layer] of layers) if (name !== 'lm_head') expect(layer, name).toBeInstanceOf(Linear8bit)
    expect(relative(await lastLogits(merged), before)).toBeLessThan(0.02)
    merged.dispose()
  })

  it('the reference of DPO computes as the policy does: at first there is no margin', async () => {
    const model = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), {
      quantization_config: int8(),
    })
    const trainer = await tinyPreference('DPO', { max_steps: 2 }, { model })
    await trainer.train()
    const [first] = figures(trainer)
    expect(Math.abs(first!['rewards/margins']!)).toBeLessThanOrEqual(1e-6)
  })

  it('the planner counts the weights in 8 bits', async () => {
    const model = await loaded(golden('tiny-llama'), int8())
    const layers = [...model.linearSlots()].map((slot) => baseLayer(slot.get())!)
    const bytes = layers.reduce((n, layer) => n + (layer instanceof Linear8bit ? layer.weightBytes : 0), 0)
    const { resident } = new DryRun(
      {
        ...{ config: model.config, dtype: model.dtype, quantization: int8(), adapterDtype: 'float32' },
        ...{ tokens: 96, sequences: 2, gradientAccumulation: 1 },
        lora: new LoraConfig({ target_modules: 'all-linear' }),
        optimizer: new TrainingArguments(),
      },
      cpuMachine(2 ** 34),
    )
    const counted = resident.find(({ name }) => name === '8-bit weights')!.bytes
    // The device rounds each tensor up.
    expect(counted).toBeGreaterThanOrEqual(bytes)
    expect(counted).toBeLessThan(1.05 * bytes)
  })
})
