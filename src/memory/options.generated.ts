// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.
import type { CausalLM } from '../models/causal-lm'
import type { PretrainedConfig } from '../models/config'
import type { PeftModel } from '../peft/model'
import type { MemoryWish } from './planner'

/** The values of plan_memory. */
export interface ParsedPlanOptions {
  /**
   * The model: a folder or a hub repository, of which only config.json is read, or a loaded model.
   *
   * Takes a folder, a hub repository or a loaded model.
   */
  model: string | CausalLM | PeftModel | undefined
  /**
   * In place of `model`: a configuration, from AutoConfig or as in config.json.
   *
   * Takes a configuration.
   */
  config: PretrainedConfig | Record<string, unknown> | undefined
  /**
   * Graphics cards by name ('RTX 4060 8GB', 'rtx 4090'), or by their memory ('12GB').
   *
   * Takes a text that is not empty or a list, each a text that is not empty.
   * @default ["RTX 4060 8GB","RTX 3060 12GB","RTX 4080 16GB","RTX 4090 24GB","H100 80GB"]
   */
  cards: string | string[]
  /**
   * Ranks of the adapter.
   *
   * Takes a whole number >= 1, or a list of them.
   * @default 16
   */
  r: number | number[]
  /**
   * Layers with an adapter, as in LoraConfig.
   *
   * Takes a text, a list of texts, or null.
   * @default 'all-linear'
   */
  target_modules: string | string[] | null
  /**
   * Tokens of a row.
   *
   * Takes a whole number >= 1, or a list of them.
   * @default [512,2048]
   */
  lengths: number | number[]
  /**
   * Rows of a micro batch.
   *
   * Takes a whole number >= 1, or a list of them.
   * @default 1
   */
  batch: number | number[]
  /**
   * Micro batches of a step; with more than one, the sum of their gradients is kept.
   *
   * Takes a whole number >= 1.
   * @default 1
   */
  gradient_accumulation_steps: number
  /**
   * Optimizer, as TrainingArguments'.
   *
   * Takes one of 'adamw_torch', 'adamw_torch_fused', 'adamw_bnb_8bit', 'adamw_8bit', 'paged_adamw', 'paged_adamw_32bit', 'paged_adamw_8bit', 'lion_32bit', 'lion_8bit', 'paged_lion_32bit', 'paged_lion_8bit', 'sgd'.
   * @default 'paged_adamw_8bit'
   */
  optim:
    | 'adamw_torch'
    | 'adamw_torch_fused'
    | 'adamw_bnb_8bit'
    | 'adamw_8bit'
    | 'paged_adamw'
    | 'paged_adamw_32bit'
    | 'paged_adamw_8bit'
    | 'lion_32bit'
    | 'lion_8bit'
    | 'paged_lion_32bit'
    | 'paged_lion_8bit'
    | 'sgd'
  /**
   * Plans to compare, as in SFTConfig's `memory`; each row shows the first that fits.
   *
   * Takes 'fast', 'balanced', 'lean', bytes such as '6.3GiB', or a list of these.
   * @default ["fast","lean"]
   */
  memory: ('fast' | 'balanced' | 'lean' | number | null)[] | 'fast' | 'balanced' | 'lean' | number | null
  /**
   * NF4 with double quantization; false: the weights in bfloat16.
   *
   * Takes true or false.
   * @default true
   */
  load_in_4bit: boolean
  /**
   * Host memory that may be page-locked, bytes or '16GiB'; a run may lock half of what is free.
   *
   * Takes bytes, or a size such as '16GiB'.
   * @default 17179869184
   */
  host_memory: number
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal: AbortSignal | undefined
}

/** What plan_memory takes. */
export interface PlanOptions {
  /**
   * The model: a folder or a hub repository, of which only config.json is read, or a loaded model.
   *
   * Takes a folder, a hub repository or a loaded model.
   */
  model?: string | CausalLM | PeftModel
  /**
   * In place of `model`: a configuration, from AutoConfig or as in config.json.
   *
   * Takes a configuration.
   */
  config?: PretrainedConfig | Record<string, unknown>
  /**
   * Graphics cards by name ('RTX 4060 8GB', 'rtx 4090'), or by their memory ('12GB').
   *
   * Takes a text that is not empty or a list, each a text that is not empty.
   * @default ["RTX 4060 8GB","RTX 3060 12GB","RTX 4080 16GB","RTX 4090 24GB","H100 80GB"]
   */
  cards?: string | string[]
  /**
   * Ranks of the adapter.
   *
   * Takes a whole number >= 1, or a list of them.
   * @default 16
   */
  r?: number | number[]
  /**
   * Layers with an adapter, as in LoraConfig.
   *
   * Takes a text, a list of texts, or null.
   * @default 'all-linear'
   */
  target_modules?: string | string[] | null
  /**
   * Tokens of a row.
   *
   * Takes a whole number >= 1, or a list of them.
   * @default [512,2048]
   */
  lengths?: number | number[]
  /**
   * Rows of a micro batch.
   *
   * Takes a whole number >= 1, or a list of them.
   * @default 1
   */
  batch?: number | number[]
  /**
   * Micro batches of a step; with more than one, the sum of their gradients is kept.
   *
   * Takes a whole number >= 1.
   * @default 1
   */
  gradient_accumulation_steps?: number
  /**
   * Optimizer, as TrainingArguments'.
   *
   * Takes one of 'adamw_torch', 'adamw_torch_fused', 'adamw_bnb_8bit', 'adamw_8bit', 'paged_adamw', 'paged_adamw_32bit', 'paged_adamw_8bit', 'lion_32bit', 'lion_8bit', 'paged_lion_32bit', 'paged_lion_8bit', 'sgd'.
   * @default 'paged_adamw_8bit'
   */
  optim?:
    | 'adamw_torch'
    | 'adamw_torch_fused'
    | 'adamw_bnb_8bit'
    | 'adamw_8bit'
    | 'paged_adamw'
    | 'paged_adamw_32bit'
    | 'paged_adamw_8bit'
    | 'lion_32bit'
    | 'lion_8bit'
    | 'paged_lion_32bit'
    | 'paged_lion_8bit'
    | 'sgd'
  /**
   * Plans to compare, as in SFTConfig's `memory`; each row shows the first that fits.
   *
   * Takes 'fast', 'balanced', 'lean', bytes such as '6.3GiB', or a list of these.
   * @default ["fast","lean"]
   */
  memory?: MemoryWish | (string & {}) | (MemoryWish | (string & {}))[]
  /**
   * NF4 with double quantization; false: the weights in bfloat16.
   *
   * Takes true or false.
   * @default true
   */
  load_in_4bit?: boolean
  /**
   * Host memory that may be page-locked, bytes or '16GiB'; a run may lock half of what is free.
   *
   * Takes bytes, or a size such as '16GiB'.
   * @default 17179869184
   */
  host_memory?: number | (string & {})
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /** Another spelling of cards. Graphics cards by name ('RTX 4060 8GB', 'rtx 4090'), or by their memory ('12GB'). */
  card?: string | string[]
  /** Another spelling of lengths. Tokens of a row. */
  length?: number | number[]
  /** Another spelling of lengths. Tokens of a row. */
  max_length?: number | number[]
  /** Another spelling of batch. Rows of a micro batch. */
  per_device_train_batch_size?: number | number[]
}
