import { onTestFinished } from 'vitest'
import '../../src/generation/mixin'
import { uniformStream } from '../../src/tensor/uniform-stream'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { PackedBatch } from '../../src/models/batch'
import type { CausalLM } from '../../src/models/causal-lm'
import { packInputs, type ModelInputs } from '../../src/models/padding'
import type { PretrainedOptions } from '../../src/models/pretrained-options'
import type { Parameter } from '../../src/nn/parameter'
import { LoraConfig, type LoraInit } from '../../src/peft/config'
import type { PeftOptions } from '../../src/peft/adapter-options'
import { get_peft_model, type PeftModel } from '../../src/peft/model'
import { Device } from '../../src/tensor/device'
import { golden } from '../support/shared'

type Folder = `tiny-${string}`

/** One of the golden models, freed with the test. */
export async function tinyModel(
  folder: Folder = 'tiny-llama',
  options: PretrainedOptions = {},
): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.from_pretrained(golden(folder), options)
  onTestFinished(() => model.dispose())
  return model
}

/** A golden model with a fresh adapter whose B is not zero, so that every part of it has a gradient. */
export async function tinyPeft(
  lora: LoraInit = {},
  folder: Folder = 'tiny-llama',
  options: PeftOptions = { seed: 7 },
): Promise<PeftModel> {
  const config = new LoraConfig({
    r: 4,
    lora_alpha: 1,
    target_modules: 'all-linear',
    init_lora_weights: false,
    ...lora,
  })
  return get_peft_model(await tinyModel(folder, { dtype: 'float32' }), config, options)
}

/** Right-padded rows of random ids (3 ... 255) of these lengths; the first token of each row has no label. */
export function randomInputs(
  lengths: readonly number[],
  seed: number = 1,
): Required<Omit<ModelInputs, 'columns'>> {
  const uniform = uniformStream(seed)
  const width = Math.max(...lengths)
  const rows = lengths.map((n) => Array.from({ length: n }, () => 3 + Math.floor(uniform() * 253)))
  const padded = (fill: number, of: (row: number[]) => number[]): number[][] =>
    rows.map((row) => [...of(row), ...Array<number>(width - row.length).fill(fill)])
  return {
    input_ids: padded(0, (row) => row),
    attention_mask: padded(0, (row) => row.map(() => 1)),
    labels: padded(-100, (row) => row.map((id, t) => (t === 0 ? -100 : id))),
    output_hidden_states: false,
    output_attentions: false,
  }
}

export function randomBatch(lengths: readonly number[], seed: number = 1): PackedBatch {
  return packInputs(randomInputs(lengths, seed), 512).packed
}

/** Copies of all gradients by name; they are zero afterwards. */
export async function takeGradients(parameters: readonly Parameter[]): Promise<Record<string, Float32Array>> {
  const entries = parameters.map(async (p): Promise<[string, Float32Array]> => {
    if (!p.grad) throw new Error(`${p.name} has no gradient`)
    return [p.name, await p.grad.data()]
  })
  const gradients = Object.fromEntries(await Promise.all(entries))
  for (const p of parameters) p.zeroGrad()
  return gradients
}

/** Bytes that tensors hold when everything enqueued has run. */
export async function liveBytes(): Promise<number> {
  const device = Device.get('cpu')
  await device.synchronize()
  return device.memoryStats().allocated
}
