import { onTestFinished } from 'vitest'
import { Dataset, type Row } from '../../src/data/dataset'
import type { PreTrainedTokenizer } from '../../src/data/tokenizer'
import type { TrainingDisplay } from '../../src/display/training-progress'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { LoraConfig } from '../../src/peft/config'
import { SFTConfig, type SFTInit } from '../../src/trainer/arguments'
import { DPOConfig, KTOConfig, ORPOConfig } from '../../src/trainer/preference/arguments'
import { DPOTrainer } from '../../src/trainer/preference/dpo-trainer'
import { KTOTrainer } from '../../src/trainer/preference/kto-trainer'
import type {
  DPOInit,
  KTOInit,
  ORPOInit,
  PreferenceTrainerOptions,
} from '../../src/trainer/preference/options.generated'
import { ORPOTrainer } from '../../src/trainer/preference/orpo-trainer'
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

const preferenceTrainers = { DPO: DPOTrainer, KTO: KTOTrainer, ORPO: ORPOTrainer } as const

/** Pairs of different lengths, and for KTO answers that are judged. */
export const pairs = (rows: number): Row[] =>
  Array.from({ length: rows }, (_, i) => ({
    prompt: `say ${i}`,
    chosen: ' hello'.repeat(1 + (i % 3)),
    rejected: ' world'.repeat(1 + (i % 2)),
  }))
export const judged = (rows: number): Row[] =>
  pairs(rows).map(({ prompt, chosen }, i) => ({ prompt, completion: chosen, label: i % 2 === 0 }))

/** A quick, quiet preference run of a tiny Llama; `args` and `options` replace what they name. */
export async function tinyPreference(
  kind: keyof typeof preferenceTrainers,
  args: DPOInit & KTOInit & ORPOInit = {},
  options: { [K in keyof PreferenceTrainerOptions]?: PreferenceTrainerOptions[K] | undefined } = {},
): Promise<DPOTrainer | KTOTrainer | ORPOTrainer> {
  const { model, processing_class, display, peft_config } = await trainerOptions(
    {},
    options.model ? { model: options.model } : {},
  )
  const config = { DPO: DPOConfig, KTO: KTOConfig, ORPO: ORPOConfig }[kind]
  const trainer = new preferenceTrainers[kind]({
    ...{ model, processing_class, display, peft_config },
    args: new config({
      output_dir: await temporaryFolder(),
      ...{ per_device_train_batch_size: 2, max_steps: 4, learning_rate: 1e-3, bf16: false },
      ...{ gradient_checkpointing: false, logging_steps: 1, save_strategy: 'no', max_length: 48 },
      ...args,
    } as never),
    train_dataset: Dataset.from_list(kind === 'KTO' ? judged(8) : pairs(8)),
    ...options,
  } as PreferenceTrainerOptions)
  onTestFinished(() => trainer.dispose())
  return trainer
}
