import type { Dataset, Row } from '../data/dataset'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { TrainingDisplay } from '../display/training-progress'
import { logger } from '../logging'
import type { CausalLM } from '../models/causal-lm'
import { unknownNameError } from '../options/nearest'
import type { LoraConfig } from '../peft/config'
import type { PeftModel } from '../peft/model'
import type { TrainingArguments } from './arguments'
import type { TrainerCallback } from './callbacks'
import { SFTConfig, type SFTInit } from './sft-config'

export interface SFTTrainerOptions {
  model: CausalLM | PeftModel
  args?: TrainingArguments
  train_dataset: Dataset
  eval_dataset?: Dataset | null
  processing_class?: PreTrainedTokenizer
  /** Old spelling of processing_class. */
  tokenizer?: PreTrainedTokenizer
  peft_config?: LoraConfig | null
  formatting_func?: (row: Row) => string | Promise<string>
  callbacks?: TrainerCallback[]
  /** Old places of SFTConfig's options of these names. */
  dataset_text_field?: string
  max_seq_length?: number | null
  packing?: boolean
  /** Where progress is shown. Default: the notebook or terminal this runs in. */
  display?: TrainingDisplay
}

const known: readonly (keyof SFTTrainerOptions)[] = [
  'model',
  'args',
  'train_dataset',
  'eval_dataset',
  'processing_class',
  'tokenizer',
  'peft_config',
  'formatting_func',
  'callbacks',
  'dataset_text_field',
  'max_seq_length',
  'packing',
  'display',
]

/** trl's SFTTrainer of the tutorial's time read `max_seq_length: null` as this, silently. */
const DEFAULT_MAX_LENGTH = 1024

/**
 * Settles which of several spellings counts. A plain TrainingArguments keeps its own values (bf16, gradient_checkpointing,
 * learning rate); SFTConfig brings TRL's.
 */
export function trainerOptions(options: SFTTrainerOptions): {
  args: SFTConfig
  processing_class: PreTrainedTokenizer
} {
  for (const name of Object.keys(options)) {
    if (!(known as readonly string[]).includes(name)) throw unknownNameError('SFTTrainer', name, known)
  }
  if (!options.train_dataset) throw new TypeError('[SFTTrainer] train_dataset is missing')
  const processing_class = options.processing_class ?? options.tokenizer
  if (!processing_class) throw new TypeError('[SFTTrainer] processing_class (or tokenizer) is missing')
  if (options.processing_class && options.tokenizer && options.processing_class !== options.tokenizer) {
    throw new TypeError('[SFTTrainer] processing_class and tokenizer are two different tokenizers; give one')
  }
  const moved: SFTInit = {}
  if (options.dataset_text_field !== undefined) moved.dataset_text_field = options.dataset_text_field
  if (options.packing !== undefined) moved.packing = options.packing
  if (options.max_seq_length !== undefined) {
    if (options.max_seq_length === null) {
      logger.warning(
        `max_seq_length is null: rows are cut at ${DEFAULT_MAX_LENGTH} tokens, as trl does. SFTConfig({ max_length: null }) sets no limit`,
      )
    }
    moved.max_length = options.max_seq_length ?? DEFAULT_MAX_LENGTH
  }
  const given = options.args ?? new SFTConfig()
  return { args: new SFTConfig({ ...(given as object as SFTInit), ...moved }), processing_class }
}
