import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import '../../src/export/mixin'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { ggufTokenizer } from '../../src/data/gguf-tokenizer'
import type { PreTrainedTokenizer } from '../../src/data/tokenizer'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import type { PretrainedOptions } from '../../src/models/pretrained-options'
import { LoraConfig, type LoraInit } from '../../src/peft/config'
import { get_peft_model, type PeftModel } from '../../src/peft/model'
import { temporaryFolder } from '../files/support/temporary'
import { tinyMetadata } from '../data/tiny'
import { randomInputs } from '../models/tiny'
import { golden } from '../support/shared'

/** Every made model of the repository, by folder. */
export const families = [
  ...['tiny-llama', 'tiny-llama-tied', 'tiny-llama-bias', 'tiny-mistral-swa', 'tiny-qwen2'],
  ...['tiny-qwen3', 'tiny-smollm3', 'tiny-granite', 'tiny-olmo2', 'tiny-olmo3', 'tiny-phi3', 'tiny-gemma'],
  ...['tiny-gemma2', 'tiny-gemma3', 'tiny-ministral3'],
] as const

export async function load(path: string, options: PretrainedOptions = {}): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.from_pretrained(path, { dtype: 'float32', ...options })
  onTestFinished(() => model.dispose())
  return model
}

/** An adapter on all linear layers whose B is not zero. */
export function anyUpdate(lora: LoraInit): LoraConfig {
  return new LoraConfig({
    ...{ r: 4, lora_alpha: 2, target_modules: 'all-linear', init_lora_weights: false },
    ...lora,
  } as LoraInit)
}

/** A made model with an adapter whose B is not zero. */
export async function adapted(
  name: string,
  lora: LoraInit = {},
  options: PretrainedOptions = {},
): Promise<PeftModel> {
  return get_peft_model(await load(golden(name), options), anyUpdate(lora), { seed: 7 })
}

const { input_ids: ids, attention_mask } = randomInputs([20, 9])

export async function logitsOf(model: CausalLM | PeftModel): Promise<Float32Array> {
  const input_ids = ids.map((row) => row.map((id) => id % model.config.vocab_size))
  const { logits } = await model.forward({ input_ids, attention_mask })
  return logits.data().finally(() => logits.dispose())
}

/** The largest distance; NaN where there is one. */
export function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return NaN
  return Array.from(a).reduce((most, v, i) => (Math.abs(v - b[i]!) <= most ? most : Math.abs(v - b[i]!)), 0)
}

/** A byte-level tokenizer of at most `size` tokens. */
export async function tokenizerOf(size: number, template?: string | null): Promise<PreTrainedTokenizer> {
  const metadata = tinyMetadata()
  const tokens = (metadata['tokenizer.ggml.tokens'] as string[]).slice(0, size)
  const types = (metadata['tokenizer.ggml.token_type'] as number[]).slice(0, size)
  const known = new Set(tokens)
  const merges = (metadata['tokenizer.ggml.merges'] as string[]).filter((pair) =>
    known.has(pair.replace(' ', '')),
  )
  Object.assign(metadata, {
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': types,
    'tokenizer.ggml.merges': merges,
    ...(template !== undefined && { 'tokenizer.chat_template': template ?? undefined }),
  })
  const folder = await temporaryFolder()
  const { tokenizer, config } = ggufTokenizer(metadata, 'tiny')
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config))
  return AutoTokenizer.from_pretrained(folder)
}
