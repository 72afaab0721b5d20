import { onTestFinished } from 'vitest'
import { Dataset } from '../../src/data/dataset'
import type { PreTrainedTokenizer } from '../../src/data/tokenizer'
import type { TrainingDisplay } from '../../src/display/training-progress'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { LoraConfig } from '../../src/peft/config'
import { SFTConfig, type SFTInit } from '../../src/trainer/arguments'
import { SFTTrainer, type SFTTrainerOptions } from '../../src/trainer/sft-trainer'
import { tinyTokenizer } from '../data/tiny'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'

export const silent: TrainingDisplay = { start: () => {}, step: () => {}, log: () => {}, end: () => {} }

/** Rows of different lengths: 'hello world' once, twice, ... */
export function texts(rows: number): Dataset {
  return Dataset.from_list(
    Array.from({ length: rows }, (_, i) => ({
      text: Array<string>(1 + (i % 5))
        .fill(`hello world ${i}`)
        .join(' '),
    })),
  )
}

let tokenizer: Promise<PreTrainedTokenizer> | undefined

/** The byte-level tokenizer of test/data/tiny.ts; its 265 ids fit the tiny models' vocabularies. */
export function sharedTokenizer(): Promise<PreTrainedTokenizer> {
  tokenizer ??= tinyTokenizer()
  return tokenizer
}

/** Options of a quick, quiet run of a tiny Llama; `args` and `options` replace what they name. */
export async function trainerOptions(
  args: SFTInit = {},
  options: Partial<SFTTrainerOptions> = {},
): Promise<SFTTrainerOptions> {
  const folder = await temporaryFolder()
  return {
    model: options.model ?? (await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'))),
    args: new SFTConfig({
      output_dir: folder,
      per_device_train_batch_size: 2,
      max_steps: 4,
      learning_rate: 1e-3,
      bf16: false,
      gradient_checkpointing: false,
      logging_steps: 1,
      save_strategy: 'no',
      max_length: 48,
      ...args,
    }),
    train_dataset: texts(8),
    processing_class: await sharedTokenizer(),
    peft_config: new LoraConfig({ r: 4, lora_alpha: 8, target_modules: ['q_proj', 'v_proj'] }),
    display: silent,
    ...options,
  }
}

export async function tinyTrainer(
  args: SFTInit = {},
  options: Partial<SFTTrainerOptions> = {},
): Promise<SFTTrainer> {
  const trainer = new SFTTrainer(await trainerOptions(args, options))
  onTestFinished(() => trainer.dispose())
  return trainer
}
