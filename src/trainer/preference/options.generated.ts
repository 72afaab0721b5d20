// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.
import type { Dataset } from '../../data/dataset'
import type { PreTrainedTokenizer } from '../../data/tokenizer'
import type { TrainingDisplay } from '../../display/training-progress'
import type { CausalLM } from '../../models/causal-lm'
import type { LoraConfig } from '../../peft/config'
import type { PeftModel } from '../../peft/model'
import type { TrainingArguments } from '../arguments'
import type { GivenCallback } from '../callbacks'
import type { EvaluationData } from '../evaluation-call'
import type { Optimizer } from '../../optim/optimizer'
import type { Schedule } from '../../optim/schedules'
import type { TrainingInit, TrainingOptions } from '../options.generated'

/** The values of DPOConfig. */
export interface DPOOptions extends Omit<
  TrainingOptions,
  | 'learning_rate'
  | 'label_smoothing_factor'
  | 'bf16'
  | 'gradient_checkpointing'
  | 'logging_steps'
  | 'activation_checkpointing'
> {
  /**
   * Peak learning rate.
   *
   * Takes a number >= 0.
   * @default 0.000001
   */
  learning_rate: number
  /**
   * Multiply in bfloat16, sum in float32. null: true.
   *
   * Takes true or false.
   * @default true
   */
  bf16: boolean
  /**
   * Recompute layers in the backward pass: less memory, more time.
   *
   * Takes true or false.
   * @default true
   */
  gradient_checkpointing: boolean
  /**
   * Steps between two times of logging; a number below 1 is a share of all steps.
   *
   * Takes a whole number of steps, or below 1 a share of all steps.
   * @default 10
   */
  logging_steps: number
  /**
   * Accepted; rows are tokenized in one process.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  dataset_num_proc: number | null
  /**
   * Code from the hub is never run.
   *
   * Takes true or false.
   * @default false
   */
  trust_remote_code: boolean
  /**
   * Turn the adapter's dropout off, in training and for the reference.
   *
   * Takes true or false.
   * @default true
   */
  disable_dropout: boolean
  /**
   * Measure the reference's log-probabilities of all rows once, before the first step, in place of in each step.
   *
   * Takes true or false.
   * @default false
   */
  precompute_ref_log_probs: boolean
  /**
   * Rows in a batch of that; null: per_device_train_batch_size, or for the evaluation set per_device_eval_batch_size.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  precompute_ref_batch_size: number | null
  /**
   * Tokens that prompt and answer together are cut to, answers first; rows whose prompt alone fills it are left out. null: never.
   *
   * Takes a whole number >= 1 or null.
   * @default 1024
   */
  max_length: number | null
  /**
   * Which end of a sequence stays when it is cut. keep_end: the start of the prompt goes first.
   *
   * Takes one of 'keep_start', 'keep_end'.
   * @default 'keep_start'
   */
  truncation_mode: 'keep_start' | 'keep_end'
  /**
   * How strongly the model is held to the reference; higher: closer to it. For 'ipo' the tau of its paper.
   *
   * Takes a number > 0.
   * @default 0.1
   */
  beta: number
  /**
   * The loss, or several that are added up. sigmoid: DPO; hinge: SLiC; ipo: IPO, by means over tokens; robust: for labels that may be wrong, see label_smoothing; sigmoid_norm: sigmoid of means over tokens; apo_zero, apo_down: APO; sft: negative log-likelihood of the chosen answers.
   *
   * Takes a list, each one of 'sigmoid', 'hinge', 'ipo', 'robust', 'sigmoid_norm', 'apo_zero', 'apo_down', 'sft'.
   * @default ["sigmoid"]
   */
  loss_type: ('sigmoid' | 'hinge' | 'ipo' | 'robust' | 'sigmoid_norm' | 'apo_zero' | 'apo_down' | 'sft')[]
  /**
   * A factor for each of loss_type; null: all 1.
   *
   * Takes a list, each a number or null.
   * @default null
   */
  loss_weights: number[] | null
  /**
   * For loss_type 'robust': the probability that chosen and rejected are interchanged. TRL reads it with no other of these losses; it is refused with them.
   *
   * Takes a number >= 0 and < 0.5.
   * @default 0
   */
  label_smoothing: number
  /**
   * Rows are always concatenated without padding, so both values have the same result.
   *
   * Takes true or false.
   * @default false
   */
  padding_free: boolean
  /**
   * There is no padding to round up, so every value has the same result.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  pad_to_multiple_of: number | null
}

/** What DPOConfig takes. */
export interface DPOInit extends Omit<
  TrainingInit,
  | 'learning_rate'
  | 'label_smoothing_factor'
  | 'bf16'
  | 'gradient_checkpointing'
  | 'logging_steps'
  | 'activation_checkpointing'
> {
  /**
   * Peak learning rate.
   *
   * Takes a number >= 0.
   * @default 0.000001
   */
  learning_rate?: number
  /**
   * Multiply in bfloat16, sum in float32. null: true.
   *
   * Takes true or false.
   * @default true
   */
  bf16?: boolean | null
  /**
   * Recompute layers in the backward pass: less memory, more time.
   *
   * Takes true or false.
   * @default true
   */
  gradient_checkpointing?: boolean
  /**
   * Steps between two times of logging; a number below 1 is a share of all steps.
   *
   * Takes a whole number of steps, or below 1 a share of all steps.
   * @default 10
   */
  logging_steps?: number
  /**
   * Accepted; rows are tokenized in one process.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  dataset_num_proc?: number | null
  /**
   * Code from the hub is never run.
   *
   * Takes true or false.
   * @default false
   */
  trust_remote_code?: boolean
  /**
   * Turn the adapter's dropout off, in training and for the reference.
   *
   * Takes true or false.
   * @default true
   */
  disable_dropout?: boolean
  /**
   * Measure the reference's log-probabilities of all rows once, before the first step, in place of in each step.
   *
   * Takes true or false.
   * @default false
   */
  precompute_ref_log_probs?: boolean
  /**
   * Rows in a batch of that; null: per_device_train_batch_size, or for the evaluation set per_device_eval_batch_size.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  precompute_ref_batch_size?: number | null
  /**
   * Tokens that prompt and answer together are cut to, answers first; rows whose prompt alone fills it are left out. null: never.
   *
   * Takes a whole number >= 1 or null.
   * @default 1024
   */
  max_length?: number | null
  /**
   * Which end of a sequence stays when it is cut. keep_end: the start of the prompt goes first.
   *
   * Takes one of 'keep_start', 'keep_end'.
   * @default 'keep_start'
   */
  truncation_mode?: 'keep_start' | 'keep_end'
  /**
   * How strongly the model is held to the reference; higher: closer to it. For 'ipo' the tau of its paper.
   *
   * Takes a number > 0.
   * @default 0.1
   */
  beta?: number
  /**
   * The loss, or several that are added up. sigmoid: DPO; hinge: SLiC; ipo: IPO, by means over tokens; robust: for labels that may be wrong, see label_smoothing; sigmoid_norm: sigmoid of means over tokens; apo_zero, apo_down: APO; sft: negative log-likelihood of the chosen answers.
   *
   * Takes a list, each one of 'sigmoid', 'hinge', 'ipo', 'robust', 'sigmoid_norm', 'apo_zero', 'apo_down', 'sft'.
   * @default ["sigmoid"]
   */
  loss_type?:
    | 'sigmoid'
    | 'hinge'
    | 'ipo'
    | 'robust'
    | 'sigmoid_norm'
    | 'apo_zero'
    | 'apo_down'
    | 'sft'
    | DPOOptions['loss_type']
  /**
   * A factor for each of loss_type; null: all 1.
   *
   * Takes a list, each a number or null.
   * @default null
   */
  loss_weights?: number[] | null
  /**
   * For loss_type 'robust': the probability that chosen and rejected are interchanged. TRL reads it with no other of these losses; it is refused with them.
   *
   * Takes a number >= 0 and < 0.5.
   * @default 0
   */
  label_smoothing?: number
  /**
   * Rows are always concatenated without padding, so both values have the same result.
   *
   * Takes true or false.
   * @default false
   */
  padding_free?: boolean
  /**
   * There is no padding to round up, so every value has the same result.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  pad_to_multiple_of?: number | null
  /** Another spelling of gradient_checkpointing. Recompute layers in the backward pass: less memory, more time. */
  activation_checkpointing?: boolean
  /** @deprecated not supported: it smooths the labels of tokens, which this loss does not read. */
  label_smoothing_factor?: 0 | null
  /** @deprecated not supported: load the model with from_pretrained and pass it. */
  model_init_kwargs?: null | Record<string, never>
  /** @deprecated not supported: call model.generate in a callback with on_evaluate. */
  generate_during_eval?: false | null
  /** @deprecated not supported: TRL 1 removed it: prompts are not cut by themselves; filter the rows, or set max_length. */
  max_prompt_length?: null
  /** @deprecated not supported: activations are in host memory already. */
  activation_offloading?: false | null
  /** @deprecated not supported: no supported model has experts. */
  router_aux_loss_coef?: null | 0
  /** @deprecated not supported: the reference of an adapter does not move; TRL refuses it with adapters too. */
  sync_ref_model?: false | null
  /** @deprecated not supported: the reference of an adapter does not move; TRL refuses it with adapters too. */
  ref_model_mixup_alpha?: 0.6 | null
  /** @deprecated not supported: the reference of an adapter does not move; TRL refuses it with adapters too. */
  ref_model_sync_steps?: 512 | null
  /** @deprecated not supported: TRL 1 removed it: answers are not cut by themselves; set max_length. */
  max_completion_length?: null
  /** @deprecated not supported: TRL 1 removed it; for a loss without a reference see ORPOConfig. */
  reference_free?: false | null
  /** @deprecated not supported: loss_type 'discopop' is not built. */
  discopop_tau?: 0.05 | null
  /** @deprecated not supported: only reverse_kl is built. */
  f_alpha_divergence_coef?: 0.5 | null
  /** @deprecated not supported: only reverse_kl is built. */
  f_divergence_type?: 'reverse_kl' | null
  /** @deprecated not supported: all tokens of an answer count alike. */
  ld_alpha?: null | 1
  /** @deprecated not supported: set tokenizer.pad_token and pass the tokenizer. */
  pad_token?: null
  /** @deprecated not supported: TRL 1 removed it: loss_type: ['sigmoid', 'sft'], loss_weights: [1, alpha]. */
  rpo_alpha?: null
  /** @deprecated not supported: pairs count alike. */
  use_weighting?: false | null
}

/** The values of ORPOConfig. */
export interface ORPOOptions extends Omit<
  TrainingOptions,
  | 'learning_rate'
  | 'label_smoothing_factor'
  | 'bf16'
  | 'gradient_checkpointing'
  | 'logging_steps'
  | 'activation_checkpointing'
> {
  /**
   * Peak learning rate.
   *
   * Takes a number >= 0.
   * @default 0.000001
   */
  learning_rate: number
  /**
   * Multiply in bfloat16, sum in float32. null: true.
   *
   * Takes true or false.
   * @default true
   */
  bf16: boolean
  /**
   * Recompute layers in the backward pass: less memory, more time.
   *
   * Takes true or false.
   * @default true
   */
  gradient_checkpointing: boolean
  /**
   * Steps between two times of logging; a number below 1 is a share of all steps.
   *
   * Takes a whole number of steps, or below 1 a share of all steps.
   * @default 10
   */
  logging_steps: number
  /**
   * Accepted; rows are tokenized in one process.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  dataset_num_proc: number | null
  /**
   * Code from the hub is never run.
   *
   * Takes true or false.
   * @default false
   */
  trust_remote_code: boolean
  /**
   * Turn the adapter's dropout off, in training and for the reference.
   *
   * Takes true or false.
   * @default true
   */
  disable_dropout: boolean
  /**
   * Tokens that prompt and answer together are cut to, answers first; rows whose prompt alone fills it are left out. null: 512, with a warning.
   *
   * Takes a whole number >= 1 or null.
   * @default 1024
   */
  max_length: number | null
  /**
   * Weight of the odds ratio in the loss, lambda in the paper.
   *
   * Takes a number > 0.
   * @default 0.1
   */
  beta: number
}

/** What ORPOConfig takes. */
export interface ORPOInit extends Omit<
  TrainingInit,
  | 'learning_rate'
  | 'label_smoothing_factor'
  | 'bf16'
  | 'gradient_checkpointing'
  | 'logging_steps'
  | 'activation_checkpointing'
> {
  /**
   * Peak learning rate.
   *
   * Takes a number >= 0.
   * @default 0.000001
   */
  learning_rate?: number
  /**
   * Multiply in bfloat16, sum in float32. null: true.
   *
   * Takes true or false.
   * @default true
   */
  bf16?: boolean | null
  /**
   * Recompute layers in the backward pass: less memory, more time.
   *
   * Takes true or false.
   * @default true
   */
  gradient_checkpointing?: boolean
  /**
   * Steps between two times of logging; a number below 1 is a share of all steps.
   *
   * Takes a whole number of steps, or below 1 a share of all steps.
   * @default 10
   */
  logging_steps?: number
  /**
   * Accepted; rows are tokenized in one process.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  dataset_num_proc?: number | null
  /**
   * Code from the hub is never run.
   *
   * Takes true or false.
   * @default false
   */
  trust_remote_code?: boolean
  /**
   * Turn the adapter's dropout off, in training and for the reference.
   *
   * Takes true or false.
   * @default true
   */
  disable_dropout?: boolean
  /**
   * Tokens that prompt and answer together are cut to, answers first; rows whose prompt alone fills it are left out. null: 512, with a warning.
   *
   * Takes a whole number >= 1 or null.
   * @default 1024
   */
  max_length?: number | null
  /**
   * Weight of the odds ratio in the loss, lambda in the paper.
   *
   * Takes a number > 0.
   * @default 0.1
   */
  beta?: number
  /** Another spelling of gradient_checkpointing. Recompute layers in the backward pass: less memory, more time. */
  activation_checkpointing?: boolean
  /** @deprecated not supported: it smooths the labels of tokens, which this loss does not read. */
  label_smoothing_factor?: 0 | null
  /** @deprecated not supported: load the model with from_pretrained and pass it. */
  model_init_kwargs?: null | Record<string, never>
  /** @deprecated not supported: call model.generate in a callback with on_evaluate. */
  generate_during_eval?: false | null
  /** @deprecated not supported: TRL 1 removed it: prompts are not cut by themselves; filter the rows, or set max_length. */
  max_prompt_length?: null
  /** @deprecated not supported: decoder models only. */
  is_encoder_decoder?: null | false
  /** @deprecated not supported: it cuts answers of encoder-decoder models only. */
  max_completion_length?: null
  /** @deprecated not supported: rows are put together without padding here. */
  padding_value?: null
}

/** The values of KTOConfig. */
export interface KTOOptions extends Omit<
  TrainingOptions,
  | 'learning_rate'
  | 'label_smoothing_factor'
  | 'bf16'
  | 'gradient_checkpointing'
  | 'logging_steps'
  | 'train_sampling_strategy'
  | 'activation_checkpointing'
  | 'group_by_length'
> {
  /**
   * Peak learning rate.
   *
   * Takes a number >= 0.
   * @default 0.000001
   */
  learning_rate: number
  /**
   * Multiply in bfloat16, sum in float32. null: true.
   *
   * Takes true or false.
   * @default true
   */
  bf16: boolean
  /**
   * Recompute layers in the backward pass: less memory, more time.
   *
   * Takes true or false.
   * @default true
   */
  gradient_checkpointing: boolean
  /**
   * Steps between two times of logging; a number below 1 is a share of all steps.
   *
   * Takes a whole number of steps, or below 1 a share of all steps.
   * @default 10
   */
  logging_steps: number
  /**
   * Order of rows. Only apo_zero_unpaired takes another than 'sequential': the divergence is measured within fixed batches.
   *
   * Takes one of 'random', 'sequential', 'group_by_length'.
   * @default 'sequential'
   */
  train_sampling_strategy: 'random' | 'sequential' | 'group_by_length'
  /**
   * Accepted; rows are tokenized in one process.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  dataset_num_proc: number | null
  /**
   * Code from the hub is never run.
   *
   * Takes true or false.
   * @default false
   */
  trust_remote_code: boolean
  /**
   * Turn the adapter's dropout off, in training and for the reference.
   *
   * Takes true or false.
   * @default true
   */
  disable_dropout: boolean
  /**
   * Measure the reference's log-probabilities of all rows once, before the first step, in place of in each step.
   *
   * Takes true or false.
   * @default false
   */
  precompute_ref_log_probs: boolean
  /**
   * Rows in a batch of that; null: per_device_train_batch_size, or for the evaluation set per_device_eval_batch_size.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  precompute_ref_batch_size: number | null
  /**
   * Tokens that prompt and answer together are cut to, answers first; rows whose prompt alone fills it are left out. null: never.
   *
   * Takes a whole number >= 1 or null.
   * @default 1024
   */
  max_length: number | null
  /**
   * How strongly the model is held to the reference; higher: closer to it.
   *
   * Takes a number > 0.
   * @default 0.1
   */
  beta: number
  /**
   * kto; apo_zero_unpaired: without the divergence as the point that rewards are compared with.
   *
   * Takes one of 'kto', 'apo_zero_unpaired'.
   * @default 'kto'
   */
  loss_type: 'kto' | 'apo_zero_unpaired'
  /**
   * Weight of rows whose label is true. To balance d desirable with u undesirable rows: d * desirable_weight between 1 and 4/3 times u * undesirable_weight.
   *
   * Takes a number >= 0.
   * @default 1
   */
  desirable_weight: number
  /**
   * Weight of rows whose label is false.
   *
   * Takes a number >= 0.
   * @default 1
   */
  undesirable_weight: number
  /**
   * There is no padding to round up, so every value has the same result.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  pad_to_multiple_of: number | null
}

/** What KTOConfig takes. */
export interface KTOInit extends Omit<
  TrainingInit,
  | 'learning_rate'
  | 'label_smoothing_factor'
  | 'bf16'
  | 'gradient_checkpointing'
  | 'logging_steps'
  | 'train_sampling_strategy'
  | 'activation_checkpointing'
  | 'group_by_length'
> {
  /**
   * Peak learning rate.
   *
   * Takes a number >= 0.
   * @default 0.000001
   */
  learning_rate?: number
  /**
   * Multiply in bfloat16, sum in float32. null: true.
   *
   * Takes true or false.
   * @default true
   */
  bf16?: boolean | null
  /**
   * Recompute layers in the backward pass: less memory, more time.
   *
   * Takes true or false.
   * @default true
   */
  gradient_checkpointing?: boolean
  /**
   * Steps between two times of logging; a number below 1 is a share of all steps.
   *
   * Takes a whole number of steps, or below 1 a share of all steps.
   * @default 10
   */
  logging_steps?: number
  /**
   * Order of rows. Only apo_zero_unpaired takes another than 'sequential': the divergence is measured within fixed batches.
   *
   * Takes one of 'random', 'sequential', 'group_by_length'.
   * @default 'sequential'
   */
  train_sampling_strategy?: 'random' | 'sequential' | 'group_by_length'
  /**
   * Accepted; rows are tokenized in one process.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  dataset_num_proc?: number | null
  /**
   * Code from the hub is never run.
   *
   * Takes true or false.
   * @default false
   */
  trust_remote_code?: boolean
  /**
   * Turn the adapter's dropout off, in training and for the reference.
   *
   * Takes true or false.
   * @default true
   */
  disable_dropout?: boolean
  /**
   * Measure the reference's log-probabilities of all rows once, before the first step, in place of in each step.
   *
   * Takes true or false.
   * @default false
   */
  precompute_ref_log_probs?: boolean
  /**
   * Rows in a batch of that; null: per_device_train_batch_size, or for the evaluation set per_device_eval_batch_size.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  precompute_ref_batch_size?: number | null
  /**
   * Tokens that prompt and answer together are cut to, answers first; rows whose prompt alone fills it are left out. null: never.
   *
   * Takes a whole number >= 1 or null.
   * @default 1024
   */
  max_length?: number | null
  /**
   * How strongly the model is held to the reference; higher: closer to it.
   *
   * Takes a number > 0.
   * @default 0.1
   */
  beta?: number
  /**
   * kto; apo_zero_unpaired: without the divergence as the point that rewards are compared with.
   *
   * Takes one of 'kto', 'apo_zero_unpaired'.
   * @default 'kto'
   */
  loss_type?: 'kto' | 'apo_zero_unpaired'
  /**
   * Weight of rows whose label is true. To balance d desirable with u undesirable rows: d * desirable_weight between 1 and 4/3 times u * undesirable_weight.
   *
   * Takes a number >= 0.
   * @default 1
   */
  desirable_weight?: number
  /**
   * Weight of rows whose label is false.
   *
   * Takes a number >= 0.
   * @default 1
   */
  undesirable_weight?: number
  /**
   * There is no padding to round up, so every value has the same result.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  pad_to_multiple_of?: number | null
  /** Another spelling of gradient_checkpointing. Recompute layers in the backward pass: less memory, more time. */
  activation_checkpointing?: boolean
  /** Another spelling of train_sampling_strategy. Order of rows. Only apo_zero_unpaired takes another than 'sequential': the divergence is measured within fixed batches. */
  group_by_length?: boolean
  /** @deprecated not supported: it smooths the labels of tokens, which this loss does not read. */
  label_smoothing_factor?: 0 | null
  /** @deprecated not supported: load the model with from_pretrained and pass it. */
  model_init_kwargs?: null | Record<string, never>
  /** @deprecated not supported: call model.generate in a callback with on_evaluate. */
  generate_during_eval?: false | null
  /** @deprecated not supported: TRL 1 removed it: prompts are not cut by themselves; filter the rows, or set max_length. */
  max_prompt_length?: null
  /** @deprecated not supported: activations are in host memory already. */
  activation_offloading?: false | null
  /** @deprecated not supported: no supported model has experts. */
  router_aux_loss_coef?: null | 0
  /** @deprecated not supported: the reference of an adapter does not move; TRL refuses it with adapters too. */
  sync_ref_model?: false | null
  /** @deprecated not supported: the reference of an adapter does not move; TRL refuses it with adapters too. */
  ref_model_mixup_alpha?: 0.6 | null
  /** @deprecated not supported: the reference of an adapter does not move; TRL refuses it with adapters too. */
  ref_model_sync_steps?: 512 | null
  /** @deprecated not supported: TRL 1 removed it: answers are not cut by themselves; set max_length. */
  max_completion_length?: null
  /** @deprecated not supported: TRL 1 removed it; for a loss without a reference see ORPOConfig. */
  reference_free?: false | null
}

/** The values of DPOTrainer. */
export interface ParsedPreferenceTrainerOptions {
  /**
   * The model. With peft_config it gets a new adapter, else it must have one. A name is loaded before training, in float32 unless model_init_kwargs has another dtype.
   *
   * Takes a model from AutoModelForCausalLM.from_pretrained, or the name or folder of one.
   */
  model: string | CausalLM | PeftModel
  /**
   * Rows to evaluate on; for several sets by name, { a, b }, the metrics are eval_a_loss, eval_b_loss ...
   *
   * Takes one Dataset or IterableDataset, such as dict.get('train') of what load_dataset returns, or an object of data sets by name, or null.
   * @default null
   */
  eval_dataset: EvaluationData | null
  /**
   * The tokenizer of the model. Default: the one saved with the model.
   *
   * Takes a tokenizer from AutoTokenizer.from_pretrained.
   */
  processing_class: PreTrainedTokenizer | undefined
  /**
   * Old name of processing_class.
   *
   * Takes a tokenizer from AutoTokenizer.from_pretrained.
   */
  tokenizer: PreTrainedTokenizer | undefined
  /**
   * The adapter to put on the model.
   *
   * Takes a LoraConfig or null.
   * @default null
   */
  peft_config: LoraConfig | null
  /**
   * Objects, or classes whose constructor needs no arguments, whose methods are called during the run: on_train_begin, on_step_end, on_log ...
   *
   * Takes a list of callbacks.
   * @default []
   */
  callbacks: GivenCallback[]
  /**
   * Where progress is shown (ours); by default in the current notebook or terminal.
   *
   * Takes an object with start, step, log and end.
   */
  display: TrainingDisplay | undefined
  /**
   * Optimizer and schedule that replace those of optim and lr_scheduler_type. A run uses the optimizer with its present state.
   *
   * Takes a list of an optimizer or null and a schedule or null.
   * @default [null,null]
   */
  optimizers: [Optimizer | null, Schedule | null]
  /**
   * Rows to learn from.
   *
   * Takes one Dataset: preference trainers do not read streams.
   */
  train_dataset: Dataset
  /**
   * Settings of the run: a DPOConfig, or TrainingArguments, which keep their own defaults.
   *
   * Takes an SFTConfig or TrainingArguments.
   */
  args: TrainingArguments | undefined
}

/** What DPOTrainer takes. */
export interface PreferenceTrainerOptions {
  /**
   * The model. With peft_config it gets a new adapter, else it must have one. A name is loaded before training, in float32 unless model_init_kwargs has another dtype.
   *
   * Takes a model from AutoModelForCausalLM.from_pretrained, or the name or folder of one.
   */
  model: string | CausalLM | PeftModel
  /**
   * Rows to evaluate on; for several sets by name, { a, b }, the metrics are eval_a_loss, eval_b_loss ...
   *
   * Takes one Dataset or IterableDataset, such as dict.get('train') of what load_dataset returns, or an object of data sets by name, or null.
   * @default null
   */
  eval_dataset?: EvaluationData | null
  /**
   * The tokenizer of the model. Default: the one saved with the model.
   *
   * Takes a tokenizer from AutoTokenizer.from_pretrained.
   */
  processing_class?: PreTrainedTokenizer
  /**
   * Old name of processing_class.
   *
   * Takes a tokenizer from AutoTokenizer.from_pretrained.
   */
  tokenizer?: PreTrainedTokenizer
  /**
   * The adapter to put on the model.
   *
   * Takes a LoraConfig or null.
   * @default null
   */
  peft_config?: LoraConfig | null
  /**
   * Objects, or classes whose constructor needs no arguments, whose methods are called during the run: on_train_begin, on_step_end, on_log ...
   *
   * Takes a list of callbacks.
   * @default []
   */
  callbacks?: GivenCallback[]
  /**
   * Where progress is shown (ours); by default in the current notebook or terminal.
   *
   * Takes an object with start, step, log and end.
   */
  display?: TrainingDisplay
  /**
   * Optimizer and schedule that replace those of optim and lr_scheduler_type. A run uses the optimizer with its present state.
   *
   * Takes a list of an optimizer or null and a schedule or null.
   * @default [null,null]
   */
  optimizers?: [Optimizer | null, Schedule | null]
  /**
   * Rows to learn from.
   *
   * Takes one Dataset: preference trainers do not read streams.
   */
  train_dataset: Dataset
  /**
   * Settings of the run: a DPOConfig, or TrainingArguments, which keep their own defaults.
   *
   * Takes an SFTConfig or TrainingArguments.
   */
  args?: TrainingArguments
  /** @deprecated not supported: load the model and pass it. */
  model_init?: null
  /** @deprecated not supported: choose an optimizer with optim of SFTConfig. */
  optimizer_cls_and_kwargs?: null
  /** @deprecated not supported: compute_metrics gets the argmax of the logits, taken on the device; it is what this function is for. */
  preprocess_logits_for_metrics?: null
  /** @deprecated not supported: noise on embeddings is not built. */
  neftune_noise_alpha?: null | 0
  /** @deprecated not supported: the reference is the base model when peft_config is given, else the model with the adapter as it came. Other weights: precompute nothing here, train on their outputs. */
  ref_model?: null
  /** @deprecated not supported: evaluation reports rewards, which are not of single tokens. */
  compute_metrics?: null
  /** @deprecated not supported: rows are put together without padding here. */
  data_collator?: null
  /** @deprecated not supported: give it to AutoModelForCausalLM.from_pretrained. */
  quantization_config?: null
  /** @deprecated not supported: map the data set to prompt, chosen and rejected. */
  formatting_func?: null
}
