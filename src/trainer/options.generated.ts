// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.
import type { DatasetKwargs, FormattingFunc } from '../data/row-text'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { PretrainedOptions } from '../models/pretrained-options'
import type { TrainingDisplay } from '../display/training-progress'
import type { CausalLM } from '../models/causal-lm'
import type { LoraConfig } from '../peft/config'
import type { PeftModel } from '../peft/model'
import type { TrainingArguments } from './arguments'
import type { Objective } from '../models/objective'
import type { GivenCallback } from './callbacks'
import type { AnyCollator } from '../data/collators/any'
import type { ComputeMetrics } from './evaluation'
import type { EvaluationData } from './evaluation-call'
import type { TrainingData } from './row-sets'
import type { Optimizer } from '../optim/optimizer'
import type { Schedule } from '../optim/schedules'
import type { BitsAndBytesConfig } from '../quantization/config'

/** The values of TrainingArguments. */
export interface TrainingOptions {
  /**
   * Folder for everything written; null: 'trainer_output'. ~ is the home folder.
   *
   * Takes a text or null.
   * @default null
   */
  output_dir: string | null
  /**
   * Rows in a micro batch.
   *
   * Takes a whole number >= 1.
   * @default 8
   */
  per_device_train_batch_size: number
  /**
   * Rows in a batch of an evaluation.
   *
   * Takes a whole number >= 1.
   * @default 8
   */
  per_device_eval_batch_size: number
  /**
   * Micro batches in an update; the loss is the mean over all their tokens.
   *
   * Takes a whole number >= 1.
   * @default 1
   */
  gradient_accumulation_steps: number
  /**
   * Engine between ranks: 'nccl' on GPUs, 'mpi' on CPUs; null: the one for the device. Another one is refused when training starts.
   *
   * Takes one of 'nccl', 'mpi' or null.
   * @default null
   */
  ddp_backend: 'nccl' | 'mpi' | null
  /**
   * Seconds that a rank may keep the others waiting before all of them fail.
   *
   * Takes a whole number >= 1.
   * @default 1800
   */
  ddp_timeout: number
  /**
   * Passes over the data, fractions too.
   *
   * Takes a number >= 0.
   * @default 3
   */
  num_train_epochs: number
  /**
   * Number of updates if above 0; num_train_epochs is then ignored.
   *
   * Takes a whole number >= -1.
   * @default -1
   */
  max_steps: number
  /**
   * Peak learning rate.
   *
   * Takes a number >= 0.
   * @default 0.00005
   */
  learning_rate: number
  /**
   * Weight decay; norms and biases have none.
   *
   * Takes a number >= 0.
   * @default 0
   */
  weight_decay: number
  /**
   * Decay of AdamW's first moment; for Lion, the weight of its moment in the step.
   *
   * Takes a number >= 0 and < 1.
   * @default 0.9
   */
  adam_beta1: number
  /**
   * Decay of AdamW's second moment, or of Lion's only moment.
   *
   * Takes a number >= 0 and < 1.
   * @default 0.999
   */
  adam_beta2: number
  /**
   * Added to the denominator of AdamW's step.
   *
   * Takes a number >= 0.
   * @default 1e-8
   */
  adam_epsilon: number
  /**
   * Gradients are scaled down to this norm, taken over all weights. 0: no clipping.
   *
   * Takes a number >= 0.
   * @default 1
   */
  max_grad_norm: number
  /**
   * Ours: an update whose loss or gradient is not finite is skipped; after this number in a row the run stops. 0: never.
   *
   * Takes a whole number >= 0.
   * @default 5
   */
  max_nonfinite_steps: number
  /**
   * e in the loss of a token, (1 - e) * -log p + e * mean over the vocabulary of -log p.
   *
   * Takes a number >= 0 and <= 1.
   * @default 0
   */
  label_smoothing_factor: number
  /**
   * Optimizer. 8bit: block-wise state of a quarter of the size; paged: state in page-locked host memory (on the CPU the same).
   *
   * Takes one of 'adamw_torch', 'adamw_torch_fused', 'adamw_bnb_8bit', 'adamw_8bit', 'paged_adamw', 'paged_adamw_32bit', 'paged_adamw_8bit', 'lion_32bit', 'lion_8bit', 'paged_lion_32bit', 'paged_lion_8bit', 'sgd'.
   * @default 'adamw_torch_fused'
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
   * Settings of sgd as 'momentum=0.9, dampening=0, nesterov=true'; the others take none.
   *
   * Takes a text or null.
   * @default null
   */
  optim_args: string | null
  /**
   * Schedule of the learning rate.
   *
   * Takes one of 'linear', 'cosine', 'cosine_with_restarts', 'polynomial', 'constant', 'constant_with_warmup', 'inverse_sqrt', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'warmup_stable_decay', 'reduce_lr_on_plateau', 'greedy'.
   * @default 'linear'
   */
  lr_scheduler_type:
    | 'linear'
    | 'cosine'
    | 'cosine_with_restarts'
    | 'polynomial'
    | 'constant'
    | 'constant_with_warmup'
    | 'inverse_sqrt'
    | 'cosine_with_min_lr'
    | 'cosine_warmup_with_min_lr'
    | 'warmup_stable_decay'
    | 'reduce_lr_on_plateau'
    | 'greedy'
  /**
   * Further settings of the schedule, e.g. { num_cycles: 1.5 }.
   *
   * Takes an object or null.
   * @default null
   */
  lr_scheduler_kwargs: Record<string, unknown> | null
  /**
   * Updates over which the rate rises from 0; a number below 1 is a share of all updates, rounded up.
   *
   * Takes a number >= 0.
   * @default 0
   */
  warmup_steps: number
  /**
   * Multiply in bfloat16, sum in float32.
   *
   * Takes true or false.
   * @default false
   */
  bf16: boolean
  /**
   * Recompute layers in the backward pass: less memory, more time.
   *
   * Takes true or false.
   * @default false
   */
  gradient_checkpointing: boolean
  /**
   * What to keep for the backward pass (ours): 'fast' everything; 'balanced' on the GPU or the host what fits; 'lean' the least; or the GPU bytes of all tensors, as 6.3GiB. null: as gradient_checkpointing says.
   *
   * Takes 'fast', 'balanced', 'lean', a number of bytes such as '6.3GiB', or null.
   * @default null
   */
  memory: 'fast' | 'balanced' | 'lean' | number | null
  /**
   * When to log.
   *
   * Takes one of 'no', 'steps', 'epoch'.
   * @default 'steps'
   */
  logging_strategy: 'no' | 'steps' | 'epoch'
  /**
   * Steps between two times of logging; a number below 1 is a share of all steps.
   *
   * Takes a whole number of steps, or below 1 a share of all steps.
   * @default 500
   */
  logging_steps: number
  /**
   * Log step 1 too.
   *
   * Takes true or false.
   * @default false
   */
  logging_first_step: boolean
  /**
   * Ignore steps whose loss is not finite in the logged mean.
   *
   * Takes true or false.
   * @default true
   */
  logging_nan_inf_filter: boolean
  /**
   * Folder of the logs; null: environment TENSORBOARD_LOGGING_DIR, else a dated folder in output_dir/runs.
   *
   * Takes a text or null.
   * @default null
   */
  logging_dir: string | null
  /**
   * Where to log in addition to the screen: 'tensorboard', 'csv' (ours), 'mlflow' (the server that MLFLOW_TRACKING_URI names), 'all' (the first two) or 'none'.
   *
   * Takes 'none', 'all', 'tensorboard', 'csv', 'mlflow', or a list of the last three.
   * @default []
   */
  report_to: ('tensorboard' | 'csv' | 'mlflow')[]
  /**
   * Label of the run, in the logged text 'args'; null: output_dir.
   *
   * Takes a text or null.
   * @default null
   */
  run_name: string | null
  /**
   * Show no progress bars; null: follow logging.disable_progress_bar().
   *
   * Takes true or false or null.
   * @default null
   */
  disable_tqdm: boolean | null
  /**
   * When to evaluate.
   *
   * Takes one of 'no', 'steps', 'epoch'.
   * @default 'no'
   */
  eval_strategy: 'no' | 'steps' | 'epoch'
  /**
   * Steps between two times of evaluating; a number below 1 is a share of all steps. null: logging_steps.
   *
   * Takes a whole number of steps, or below 1 a share of all steps, or null.
   * @default null
   */
  eval_steps: number | null
  /**
   * Steps or epochs (as eval_strategy) before the first evaluation.
   *
   * Takes a number >= 0.
   * @default 0
   */
  eval_delay: number
  /**
   * Evaluate before the first step.
   *
   * Takes true or false.
   * @default false
   */
  eval_on_start: boolean
  /**
   * When to write output_dir/checkpoint-<step>: the adapter and the state for continuing the run. steps and epoch also save after the last step; best: whenever an evaluation is the best so far.
   *
   * Takes one of 'no', 'steps', 'epoch', 'best'.
   * @default 'steps'
   */
  save_strategy: 'no' | 'steps' | 'epoch' | 'best'
  /**
   * After the last step, load the weights of the best checkpoint; save_total_limit never removes it.
   *
   * Takes true or false.
   * @default false
   */
  load_best_model_at_end: boolean
  /**
   * Name of the metric that decides which checkpoint is best, with or without eval_; null: the loss, if load_best_model_at_end or a schedule needs one.
   *
   * Takes a text or null.
   * @default null
   */
  metric_for_best_model: string | null
  /**
   * Whether a larger value of the metric is better; null: yes unless its name ends with loss.
   *
   * Takes true or false or null.
   * @default null
   */
  greater_is_better: boolean | null
  /**
   * Steps between two times of saving; a number below 1 is a share of all steps. 0: after the last step only.
   *
   * Takes a whole number of steps, or below 1 a share of all steps.
   * @default 500
   */
  save_steps: number
  /**
   * Keep only this number of the run's newest checkpoints.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  save_total_limit: number | null
  /**
   * Save checkpoints without the optimizer and the state of the run: smaller, but a run cannot continue from them.
   *
   * Takes true or false.
   * @default false
   */
  save_only_model: boolean
  /**
   * The same bits in every run on the same machine: on a GPU attention then adds its gradients in a fixed order, which is slower; the CPU always does.
   *
   * Takes true or false.
   * @default false
   */
  full_determinism: boolean
  /**
   * Seed of adapters, dropout and, if data_seed is null, the order of rows.
   *
   * Takes a whole number >= 0.
   * @default 42
   */
  seed: number
  /**
   * Seed of the order of rows; null: seed.
   *
   * Takes a whole number >= 0 or null.
   * @default null
   */
  data_seed: number | null
  /**
   * Order of rows; group_by_length puts rows of similar length into one batch.
   *
   * Takes one of 'random', 'sequential', 'group_by_length'.
   * @default 'random'
   */
  train_sampling_strategy: 'random' | 'sequential' | 'group_by_length'
  /**
   * Drop the last batch if it is not full.
   *
   * Takes true or false.
   * @default false
   */
  dataloader_drop_last: boolean
  /**
   * Lowest severity of the messages shown, set when the trainer is made; 'passive': follow logging.set_verbosity(...).
   *
   * Takes one of 'debug', 'info', 'warning', 'error', 'critical', 'passive'.
   * @default 'passive'
   */
  log_level: 'debug' | 'info' | 'warning' | 'error' | 'critical' | 'passive'
  /**
   * Not needed: the loss is always divided by the targets of all ranks.
   *
   * Takes true or false.
   * @default true
   */
  average_tokens_across_devices: boolean
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes true or false.
   * @default true
   */
  dataloader_in_order: boolean
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes a text or null.
   * @default null
   */
  dataloader_multiprocessing_context: string | null
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes a whole number >= 0.
   * @default 0
   */
  dataloader_num_workers: number
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes true or false.
   * @default false
   */
  dataloader_persistent_workers: boolean
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes true or false.
   * @default true
   */
  dataloader_pin_memory: boolean
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  dataloader_prefetch_factor: number | null
  /**
   * Not needed: the models have no buffers that training changes.
   *
   * Takes true or false or null.
   * @default null
   */
  ddp_broadcast_buffers: boolean | null
  /**
   * Not needed: gradients are reduced in one piece when all of them are there.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  ddp_bucket_cap_mb: number | null
  /**
   * Not needed: gradients are reduced in one piece when all of them are there.
   *
   * Takes true or false or null.
   * @default null
   */
  ddp_find_unused_parameters: boolean | null
  /**
   * Not needed: gradients are reduced in one piece when all of them are there.
   *
   * Takes true or false or null.
   * @default null
   */
  ddp_static_graph: boolean | null
  /**
   * Not read by the trainer: for scripts that ask it. true when eval_strategy is set.
   *
   * Takes true or false.
   * @default false
   */
  do_eval: boolean
  /**
   * Not read by the trainer: for scripts that ask it.
   *
   * Takes true or false.
   * @default false
   */
  do_predict: boolean
  /**
   * Not read by the trainer: for scripts that ask it.
   *
   * Takes true or false.
   * @default false
   */
  do_train: boolean
  /**
   * Not needed: SIGTERM always writes a checkpoint first.
   *
   * Takes true or false.
   * @default false
   */
  enable_jit_checkpoint: boolean
  /**
   * Not needed: predictions are ids, kept on the host.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  eval_accumulation_steps: number | null
  /**
   * Not needed: it is always so.
   *
   * Takes true or false.
   * @default false
   */
  eval_use_gather_object: boolean
  /**
   * Not needed: both ways of use_reentrant are the same here.
   *
   * Takes { use_reentrant: true or false } or null.
   * @default null
   */
  gradient_checkpointing_kwargs: { use_reentrant?: boolean } | null
  /**
   * Not needed: each logged row counts its tokens in num_tokens; there is no padding.
   *
   * Takes 'no', 'all', 'non_padding', true or false.
   * @default 'no'
   */
  include_num_input_tokens_seen: 'no' | 'all' | 'non_padding' | boolean
  /**
   * Not needed: lengths are taken from the tokenized rows.
   *
   * Takes a text.
   * @default 'length'
   */
  length_column_name: string
  /**
   * Not needed: the launcher tells each process its rank.
   *
   * Takes a whole number >= -1.
   * @default -1
   */
  local_rank: number
  /**
   * Not needed: log_level is that of every rank.
   *
   * Takes a text.
   * @default 'warning'
   */
  log_level_replica: string
  /**
   * Not needed: rank 0 alone logs, draws and saves, in a folder that all machines reach.
   *
   * Takes true or false.
   * @default true
   */
  log_on_each_node: boolean
  /**
   * Not read by the trainer: for scripts that ask it.
   *
   * Takes true or false.
   * @default false
   */
  overwrite_output_dir: boolean
  /**
   * Columns that the model does not read are never passed to it.
   *
   * Takes true or false.
   * @default true
   */
  remove_unused_columns: boolean
  /**
   * Not read by the trainer: for scripts that ask it. give it to trainer.train({ resume_from_checkpoint }).
   *
   * Takes a text or null.
   * @default null
   */
  resume_from_checkpoint: string | null
  /**
   * Not needed: rank 0 alone logs, draws and saves, in a folder that all machines reach.
   *
   * Takes true or false.
   * @default false
   */
  save_on_each_node: boolean
  /**
   * Not needed: memory is not measured by phase; trainer.status() returns its use.
   *
   * Takes true or false.
   * @default true
   */
  skip_memory_metrics: boolean
  /**
   * Permission to round factors to TF32 on a GPU; float32 products here are exact to float32 either way.
   *
   * Takes true or false or null.
   * @default null
   */
  tf32: boolean | null
  /**
   * Not needed: there is no graph to compile; the kernels are fused already.
   *
   * Takes true or false.
   * @default false
   */
  torch_compile: boolean
  /**
   * Not needed: there is no graph to compile; the kernels are fused already.
   *
   * Takes a text or null.
   * @default null
   */
  torch_compile_backend: string | null
  /**
   * Not needed: there is no graph to compile; the kernels are fused already.
   *
   * Takes a text or null.
   * @default null
   */
  torch_compile_mode: string | null
  /**
   * Not needed: memory is freed after each step.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  torch_empty_cache_steps: number | null
  /**
   * Not needed: training never keeps keys and values.
   *
   * Takes true or false.
   * @default false
   */
  use_cache: boolean
  /**
   * Not needed: the kernels here are fused, and logits are never held whole.
   *
   * Takes true or false.
   * @default false
   */
  use_liger_kernel: boolean
}

/** What TrainingArguments takes. */
export interface TrainingInit {
  /**
   * Folder for everything written; null: 'trainer_output'. ~ is the home folder.
   *
   * Takes a text or null.
   * @default null
   */
  output_dir?: string | null
  /**
   * Rows in a micro batch.
   *
   * Takes a whole number >= 1.
   * @default 8
   */
  per_device_train_batch_size?: number
  /**
   * Rows in a batch of an evaluation.
   *
   * Takes a whole number >= 1.
   * @default 8
   */
  per_device_eval_batch_size?: number
  /**
   * Micro batches in an update; the loss is the mean over all their tokens.
   *
   * Takes a whole number >= 1.
   * @default 1
   */
  gradient_accumulation_steps?: number
  /**
   * Engine between ranks: 'nccl' on GPUs, 'mpi' on CPUs; null: the one for the device. Another one is refused when training starts.
   *
   * Takes one of 'nccl', 'mpi' or null.
   * @default null
   */
  ddp_backend?: 'nccl' | 'mpi' | null
  /**
   * Seconds that a rank may keep the others waiting before all of them fail.
   *
   * Takes a whole number >= 1.
   * @default 1800
   */
  ddp_timeout?: number
  /**
   * Passes over the data, fractions too.
   *
   * Takes a number >= 0.
   * @default 3
   */
  num_train_epochs?: number
  /**
   * Number of updates if above 0; num_train_epochs is then ignored.
   *
   * Takes a whole number >= -1.
   * @default -1
   */
  max_steps?: number
  /**
   * Peak learning rate.
   *
   * Takes a number >= 0.
   * @default 0.00005
   */
  learning_rate?: number
  /**
   * Weight decay; norms and biases have none.
   *
   * Takes a number >= 0.
   * @default 0
   */
  weight_decay?: number
  /**
   * Decay of AdamW's first moment; for Lion, the weight of its moment in the step.
   *
   * Takes a number >= 0 and < 1.
   * @default 0.9
   */
  adam_beta1?: number
  /**
   * Decay of AdamW's second moment, or of Lion's only moment.
   *
   * Takes a number >= 0 and < 1.
   * @default 0.999
   */
  adam_beta2?: number
  /**
   * Added to the denominator of AdamW's step.
   *
   * Takes a number >= 0.
   * @default 1e-8
   */
  adam_epsilon?: number
  /**
   * Gradients are scaled down to this norm, taken over all weights. 0: no clipping.
   *
   * Takes a number >= 0.
   * @default 1
   */
  max_grad_norm?: number
  /**
   * Ours: an update whose loss or gradient is not finite is skipped; after this number in a row the run stops. 0: never.
   *
   * Takes a whole number >= 0.
   * @default 5
   */
  max_nonfinite_steps?: number
  /**
   * e in the loss of a token, (1 - e) * -log p + e * mean over the vocabulary of -log p.
   *
   * Takes a number >= 0 and <= 1.
   * @default 0
   */
  label_smoothing_factor?: number
  /**
   * Optimizer. 8bit: block-wise state of a quarter of the size; paged: state in page-locked host memory (on the CPU the same).
   *
   * Takes one of 'adamw_torch', 'adamw_torch_fused', 'adamw_bnb_8bit', 'adamw_8bit', 'paged_adamw', 'paged_adamw_32bit', 'paged_adamw_8bit', 'lion_32bit', 'lion_8bit', 'paged_lion_32bit', 'paged_lion_8bit', 'sgd'.
   * @default 'adamw_torch_fused'
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
   * Settings of sgd as 'momentum=0.9, dampening=0, nesterov=true'; the others take none.
   *
   * Takes a text or null.
   * @default null
   */
  optim_args?: string | null
  /**
   * Schedule of the learning rate.
   *
   * Takes one of 'linear', 'cosine', 'cosine_with_restarts', 'polynomial', 'constant', 'constant_with_warmup', 'inverse_sqrt', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'warmup_stable_decay', 'reduce_lr_on_plateau', 'greedy'.
   * @default 'linear'
   */
  lr_scheduler_type?:
    | 'linear'
    | 'cosine'
    | 'cosine_with_restarts'
    | 'polynomial'
    | 'constant'
    | 'constant_with_warmup'
    | 'inverse_sqrt'
    | 'cosine_with_min_lr'
    | 'cosine_warmup_with_min_lr'
    | 'warmup_stable_decay'
    | 'reduce_lr_on_plateau'
    | 'greedy'
  /**
   * Further settings of the schedule, e.g. { num_cycles: 1.5 }.
   *
   * Takes an object or null.
   * @default null
   */
  lr_scheduler_kwargs?: Record<string, unknown> | null
  /**
   * Updates over which the rate rises from 0; a number below 1 is a share of all updates, rounded up.
   *
   * Takes a number >= 0.
   * @default 0
   */
  warmup_steps?: number
  /**
   * Multiply in bfloat16, sum in float32.
   *
   * Takes true or false.
   * @default false
   */
  bf16?: boolean
  /**
   * Recompute layers in the backward pass: less memory, more time.
   *
   * Takes true or false.
   * @default false
   */
  gradient_checkpointing?: boolean
  /**
   * What to keep for the backward pass (ours): 'fast' everything; 'balanced' on the GPU or the host what fits; 'lean' the least; or the GPU bytes of all tensors, as 6.3GiB. null: as gradient_checkpointing says.
   *
   * Takes 'fast', 'balanced', 'lean', a number of bytes such as '6.3GiB', or null.
   * @default null
   */
  memory?:
    | 'fast'
    | 'balanced'
    | 'lean'
    | `${number}${'KB' | 'MB' | 'GB' | 'KiB' | 'MiB' | 'GiB'}`
    | `${number} ${'KB' | 'MB' | 'GB' | 'KiB' | 'MiB' | 'GiB'}`
    | number
    | null
  /**
   * When to log.
   *
   * Takes one of 'no', 'steps', 'epoch'.
   * @default 'steps'
   */
  logging_strategy?: 'no' | 'steps' | 'epoch'
  /**
   * Steps between two times of logging; a number below 1 is a share of all steps.
   *
   * Takes a whole number of steps, or below 1 a share of all steps.
   * @default 500
   */
  logging_steps?: number
  /**
   * Log step 1 too.
   *
   * Takes true or false.
   * @default false
   */
  logging_first_step?: boolean
  /**
   * Ignore steps whose loss is not finite in the logged mean.
   *
   * Takes true or false.
   * @default true
   */
  logging_nan_inf_filter?: boolean
  /**
   * Folder of the logs; null: environment TENSORBOARD_LOGGING_DIR, else a dated folder in output_dir/runs.
   *
   * Takes a text or null.
   * @default null
   */
  logging_dir?: string | null
  /**
   * Where to log in addition to the screen: 'tensorboard', 'csv' (ours), 'mlflow' (the server that MLFLOW_TRACKING_URI names), 'all' (the first two) or 'none'.
   *
   * Takes 'none', 'all', 'tensorboard', 'csv', 'mlflow', or a list of the last three.
   * @default []
   */
  report_to?:
    'tensorboard' | 'csv' | 'mlflow' | 'none' | 'all' | readonly ('tensorboard' | 'csv' | 'mlflow')[] | null
  /**
   * Label of the run, in the logged text 'args'; null: output_dir.
   *
   * Takes a text or null.
   * @default null
   */
  run_name?: string | null
  /**
   * Show no progress bars; null: follow logging.disable_progress_bar().
   *
   * Takes true or false or null.
   * @default null
   */
  disable_tqdm?: boolean | null
  /**
   * When to evaluate.
   *
   * Takes one of 'no', 'steps', 'epoch'.
   * @default 'no'
   */
  eval_strategy?: 'no' | 'steps' | 'epoch'
  /**
   * Steps between two times of evaluating; a number below 1 is a share of all steps. null: logging_steps.
   *
   * Takes a whole number of steps, or below 1 a share of all steps, or null.
   * @default null
   */
  eval_steps?: number | null
  /**
   * Steps or epochs (as eval_strategy) before the first evaluation.
   *
   * Takes a number >= 0.
   * @default 0
   */
  eval_delay?: number
  /**
   * Evaluate before the first step.
   *
   * Takes true or false.
   * @default false
   */
  eval_on_start?: boolean
  /**
   * When to write output_dir/checkpoint-<step>: the adapter and the state for continuing the run. steps and epoch also save after the last step; best: whenever an evaluation is the best so far.
   *
   * Takes one of 'no', 'steps', 'epoch', 'best'.
   * @default 'steps'
   */
  save_strategy?: 'no' | 'steps' | 'epoch' | 'best'
  /**
   * After the last step, load the weights of the best checkpoint; save_total_limit never removes it.
   *
   * Takes true or false.
   * @default false
   */
  load_best_model_at_end?: boolean
  /**
   * Name of the metric that decides which checkpoint is best, with or without eval_; null: the loss, if load_best_model_at_end or a schedule needs one.
   *
   * Takes a text or null.
   * @default null
   */
  metric_for_best_model?: string | null
  /**
   * Whether a larger value of the metric is better; null: yes unless its name ends with loss.
   *
   * Takes true or false or null.
   * @default null
   */
  greater_is_better?: boolean | null
  /**
   * Steps between two times of saving; a number below 1 is a share of all steps. 0: after the last step only.
   *
   * Takes a whole number of steps, or below 1 a share of all steps.
   * @default 500
   */
  save_steps?: number
  /**
   * Keep only this number of the run's newest checkpoints.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  save_total_limit?: number | null
  /**
   * Save checkpoints without the optimizer and the state of the run: smaller, but a run cannot continue from them.
   *
   * Takes true or false.
   * @default false
   */
  save_only_model?: boolean
  /**
   * The same bits in every run on the same machine: on a GPU attention then adds its gradients in a fixed order, which is slower; the CPU always does.
   *
   * Takes true or false.
   * @default false
   */
  full_determinism?: boolean
  /**
   * Seed of adapters, dropout and, if data_seed is null, the order of rows.
   *
   * Takes a whole number >= 0.
   * @default 42
   */
  seed?: number
  /**
   * Seed of the order of rows; null: seed.
   *
   * Takes a whole number >= 0 or null.
   * @default null
   */
  data_seed?: number | null
  /**
   * Order of rows; group_by_length puts rows of similar length into one batch.
   *
   * Takes one of 'random', 'sequential', 'group_by_length'.
   * @default 'random'
   */
  train_sampling_strategy?: 'random' | 'sequential' | 'group_by_length'
  /**
   * Drop the last batch if it is not full.
   *
   * Takes true or false.
   * @default false
   */
  dataloader_drop_last?: boolean
  /**
   * Lowest severity of the messages shown, set when the trainer is made; 'passive': follow logging.set_verbosity(...).
   *
   * Takes one of 'debug', 'info', 'warning', 'error', 'critical', 'passive'.
   * @default 'passive'
   */
  log_level?: 'debug' | 'info' | 'warning' | 'error' | 'critical' | 'passive'
  /**
   * Not needed: the loss is always divided by the targets of all ranks.
   *
   * Takes true or false.
   * @default true
   */
  average_tokens_across_devices?: boolean
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes true or false.
   * @default true
   */
  dataloader_in_order?: boolean
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes a text or null.
   * @default null
   */
  dataloader_multiprocessing_context?: string | null
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes a whole number >= 0.
   * @default 0
   */
  dataloader_num_workers?: number
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes true or false.
   * @default false
   */
  dataloader_persistent_workers?: boolean
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes true or false.
   * @default true
   */
  dataloader_pin_memory?: boolean
  /**
   * Not needed: rows are tokenized once and kept in memory, so there are no loader processes.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  dataloader_prefetch_factor?: number | null
  /**
   * Not needed: the models have no buffers that training changes.
   *
   * Takes true or false or null.
   * @default null
   */
  ddp_broadcast_buffers?: boolean | null
  /**
   * Not needed: gradients are reduced in one piece when all of them are there.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  ddp_bucket_cap_mb?: number | null
  /**
   * Not needed: gradients are reduced in one piece when all of them are there.
   *
   * Takes true or false or null.
   * @default null
   */
  ddp_find_unused_parameters?: boolean | null
  /**
   * Not needed: gradients are reduced in one piece when all of them are there.
   *
   * Takes true or false or null.
   * @default null
   */
  ddp_static_graph?: boolean | null
  /**
   * Not read by the trainer: for scripts that ask it. true when eval_strategy is set.
   *
   * Takes true or false.
   * @default false
   */
  do_eval?: boolean
  /**
   * Not read by the trainer: for scripts that ask it.
   *
   * Takes true or false.
   * @default false
   */
  do_predict?: boolean
  /**
   * Not read by the trainer: for scripts that ask it.
   *
   * Takes true or false.
   * @default false
   */
  do_train?: boolean
  /**
   * Not needed: SIGTERM always writes a checkpoint first.
   *
   * Takes true or false.
   * @default false
   */
  enable_jit_checkpoint?: boolean
  /**
   * Not needed: predictions are ids, kept on the host.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  eval_accumulation_steps?: number | null
  /**
   * Not needed: it is always so.
   *
   * Takes true or false.
   * @default false
   */
  eval_use_gather_object?: boolean
  /**
   * Not needed: both ways of use_reentrant are the same here.
   *
   * Takes { use_reentrant: true or false } or null.
   * @default null
   */
  gradient_checkpointing_kwargs?: { use_reentrant?: boolean } | null
  /**
   * Not needed: each logged row counts its tokens in num_tokens; there is no padding.
   *
   * Takes 'no', 'all', 'non_padding', true or false.
   * @default 'no'
   */
  include_num_input_tokens_seen?: 'no' | 'all' | 'non_padding' | boolean
  /**
   * Not needed: lengths are taken from the tokenized rows.
   *
   * Takes a text.
   * @default 'length'
   */
  length_column_name?: string
  /**
   * Not needed: the launcher tells each process its rank.
   *
   * Takes a whole number >= -1.
   * @default -1
   */
  local_rank?: number
  /**
   * Not needed: log_level is that of every rank.
   *
   * Takes a text.
   * @default 'warning'
   */
  log_level_replica?: string
  /**
   * Not needed: rank 0 alone logs, draws and saves, in a folder that all machines reach.
   *
   * Takes true or false.
   * @default true
   */
  log_on_each_node?: boolean
  /**
   * Not read by the trainer: for scripts that ask it.
   *
   * Takes true or false.
   * @default false
   */
  overwrite_output_dir?: boolean
  /**
   * Columns that the model does not read are never passed to it.
   *
   * Takes true or false.
   * @default true
   */
  remove_unused_columns?: boolean
  /**
   * Not read by the trainer: for scripts that ask it. give it to trainer.train({ resume_from_checkpoint }).
   *
   * Takes a text or null.
   * @default null
   */
  resume_from_checkpoint?: string | null
  /**
   * Not needed: rank 0 alone logs, draws and saves, in a folder that all machines reach.
   *
   * Takes true or false.
   * @default false
   */
  save_on_each_node?: boolean
  /**
   * Not needed: memory is not measured by phase; trainer.status() returns its use.
   *
   * Takes true or false.
   * @default true
   */
  skip_memory_metrics?: boolean
  /**
   * Permission to round factors to TF32 on a GPU; float32 products here are exact to float32 either way.
   *
   * Takes true or false or null.
   * @default null
   */
  tf32?: boolean | null
  /**
   * Not needed: there is no graph to compile; the kernels are fused already.
   *
   * Takes true or false.
   * @default false
   */
  torch_compile?: boolean
  /**
   * Not needed: there is no graph to compile; the kernels are fused already.
   *
   * Takes a text or null.
   * @default null
   */
  torch_compile_backend?: string | null
  /**
   * Not needed: there is no graph to compile; the kernels are fused already.
   *
   * Takes a text or null.
   * @default null
   */
  torch_compile_mode?: string | null
  /**
   * Not needed: memory is freed after each step.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  torch_empty_cache_steps?: number | null
  /**
   * Not needed: training never keeps keys and values.
   *
   * Takes true or false.
   * @default false
   */
  use_cache?: boolean
  /**
   * Not needed: the kernels here are fused, and logits are never held whole.
   *
   * Takes true or false.
   * @default false
   */
  use_liger_kernel?: boolean
  /** Another spelling of per_device_train_batch_size. Rows in a micro batch. */
  per_gpu_train_batch_size?: number
  /** Another spelling of per_device_eval_batch_size. Rows in a batch of an evaluation. */
  per_gpu_eval_batch_size?: number
  /** Another spelling of warmup_steps. Updates over which the rate rises from 0; a number below 1 is a share of all updates, rounded up. */
  warmup_ratio?: number
  /** Another spelling of gradient_checkpointing. Recompute layers in the backward pass: less memory, more time. */
  activation_checkpointing?: boolean
  /** Another spelling of eval_strategy. When to evaluate. */
  evaluation_strategy?: 'no' | 'steps' | 'epoch'
  /** Another spelling of train_sampling_strategy. Order of rows; group_by_length puts rows of similar length into one batch. */
  group_by_length?: boolean
  /** Another spelling of gradient_checkpointing_kwargs. Not needed: both ways of use_reentrant are the same here. */
  activation_checkpointing_kwargs?: { use_reentrant?: boolean } | null
  /** @deprecated not supported: ranks are replicas that share the batches; see docs/distributed.md. */
  accelerator_config?: null
  /** @deprecated not supported: choose an optimizer with optim. */
  adafactor?: false | null
  /** @deprecated not supported: choose per_device_train_batch_size yourself. */
  auto_find_batch_size?: false | null
  /** @deprecated not supported: evaluation reports the loss only. */
  batch_eval_metrics?: false | null
  /** @deprecated not supported: evaluation uses the same number formats as training. */
  bf16_full_eval?: false | null
  /** @deprecated not supported: there are no debug modes. */
  debug?: '' | [] | null
  /** @deprecated not supported: ranks are replicas that share the batches; see docs/distributed.md. */
  deepspeed?: null
  /** @deprecated not supported: evaluation keeps no predictions. */
  eval_do_concat_batches?: true | null
  /** @deprecated not supported: it needs loss scaling, which is not built yet; use bf16: true, or neither for float32. */
  fp16?: boolean | null
  /** @deprecated not supported: evaluation uses the same number formats as training. */
  fp16_full_eval?: false | null
  /** @deprecated not supported: ranks are replicas that share the batches; see docs/distributed.md. */
  fsdp?: null | '' | [] | false
  /** @deprecated not supported: ranks are replicas that share the batches; see docs/distributed.md. */
  fsdp_config?: null | Record<string, never>
  /** @deprecated not supported: uploading to the hub is not built. */
  hub_always_push?: false | null
  /** @deprecated not supported: uploading to the hub is not built. */
  hub_model_id?: null
  /** @deprecated not supported: uploading to the hub is not built. */
  hub_private_repo?: null
  /** @deprecated not supported: uploading to the hub is not built. */
  hub_revision?: null
  /** @deprecated not supported: uploading to the hub is not built. */
  hub_strategy?: 'every_save' | null
  /** @deprecated not supported: uploading to the hub is not built. */
  hub_token?: null
  /** @deprecated not supported: a run goes on exactly where its checkpoint was made. */
  ignore_data_skip?: false | null
  /** @deprecated not supported: evaluation reports the loss only. */
  include_for_metrics?: [] | null
  /** @deprecated not supported: it was removed in transformers 5; leave it out. */
  jit_mode_eval?: false | null
  /** @deprecated not supported: the labels of a causal language model are its 'labels'. */
  label_names?: null | ['labels']
  /** @deprecated not supported: Liger kernels are Python; ours are fused already. */
  liger_kernel_config?: null
  /** @deprecated not supported: noise on embeddings is not built. */
  neftune_noise_alpha?: null | 0
  /** @deprecated not supported: the trainer runs where the model is; see device_map. */
  no_cuda?: false | true | null
  /** @deprecated not supported: no supported optimizer takes it. */
  optim_target_modules?: null | []
  /** @deprecated not supported: ranks are replicas that share the batches; see docs/distributed.md. */
  parallelism_config?: null
  /** @deprecated not supported: evaluation reports the loss only. */
  prediction_loss_only?: false | true | null
  /** @deprecated not supported: no tracker here has projects. */
  project?: 'huggingface' | null
  /** @deprecated not supported: uploading to the hub is not built. */
  push_to_hub?: false | null
  /** @deprecated not supported: it was removed in transformers 5; leave it out. */
  ray_scope?: 'last' | null
  /** @deprecated not supported: callbacks have no saved state. */
  restore_callback_states_from_checkpoint?: false | null
  /** @deprecated not supported: weights are always written as safetensors. */
  save_safetensors?: true | null
  /** @deprecated not supported: there is no Trackio tracker. */
  trackio_bucket_id?: null
  /** @deprecated not supported: there is no Trackio tracker. */
  trackio_space_id?: null
  /** @deprecated not supported: there is no Trackio tracker. */
  trackio_static_space_id?: null | false
  /** @deprecated not supported: the trainer runs where the model is; see device_map. */
  use_cpu?: false | true | null
}

/** The values of SFTConfig. */
export interface SFTOptions extends Omit<
  TrainingOptions,
  'learning_rate' | 'bf16' | 'gradient_checkpointing' | 'logging_steps' | 'activation_checkpointing'
> {
  /**
   * Peak learning rate.
   *
   * Takes a number >= 0.
   * @default 0.00002
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
   * Column that holds the text.
   *
   * Takes a text.
   * @default 'text'
   */
  dataset_text_field: string
  /**
   * The longest row in tokens; longer rows are cut. null: no limit.
   *
   * Takes a whole number >= 1 or null.
   * @default 1024
   */
  max_length: number | null
  /**
   * Which end of a long row is kept.
   *
   * Takes one of 'keep_start'.
   * @default 'keep_start'
   */
  truncation_mode: 'keep_start'
  /**
   * nll, chunked_nll: mean negative log-likelihood of the tokens, the same number, since logits are never held whole. dft: the loss of each token times its probability, which is a constant for the gradient.
   *
   * Takes one of 'nll', 'chunked_nll', 'dft'.
   * @default 'chunked_nll'
   */
  loss_type: 'nll' | 'chunked_nll' | 'dft'
  /**
   * Fill rows of max_length tokens with several texts.
   *
   * Takes true or false.
   * @default false
   */
  packing: boolean
  /**
   * bfd: best fit, longer texts cut; bfd_split: best fit, longer texts split; wrapped: one stream cut every max_length tokens.
   *
   * Takes one of 'bfd', 'bfd_split', 'wrapped'.
   * @default 'bfd'
   */
  packing_strategy: 'bfd' | 'bfd_split' | 'wrapped'
  /**
   * packing for the evaluation set; null: the same.
   *
   * Takes true or false or null.
   * @default null
   */
  eval_packing: boolean | null
  /**
   * Loss on the completion only; null: when the data set has prompt and completion columns.
   *
   * Takes true or false or null.
   * @default null
   */
  completion_only_loss: boolean | null
  /**
   * Loss only on the assistant turns of a conversation.
   *
   * Takes true or false.
   * @default false
   */
  assistant_only_loss: boolean
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
   * add_special_tokens false: raw texts get no special tokens of the tokenizer; append_concat_token false: no end token either; skip_prepare_dataset: rows already have input_ids.
   *
   * Takes an object with add_special_tokens, append_concat_token or skip_prepare_dataset, or null.
   * @default null
   */
  dataset_kwargs: DatasetKwargs | null
  /**
   * Sets the tokenizer's end token, which must be in the vocabulary. null: unchanged.
   *
   * Takes a text or null.
   * @default null
   */
  eos_token: string | null
  /**
   * The same for the padding token.
   *
   * Takes a text or null.
   * @default null
   */
  pad_token: string | null
  /**
   * Shuffle the rows by seed before they are tokenized and packed.
   *
   * Takes true or false.
   * @default false
   */
  shuffle_dataset: boolean
  /**
   * Options of from_pretrained, if the model is given by name.
   *
   * Takes an object or null.
   * @default null
   */
  model_init_kwargs: PretrainedOptions | null
}

/** What SFTConfig takes. */
export interface SFTInit extends Omit<
  TrainingInit,
  'learning_rate' | 'bf16' | 'gradient_checkpointing' | 'logging_steps' | 'activation_checkpointing'
> {
  /**
   * Peak learning rate.
   *
   * Takes a number >= 0.
   * @default 0.00002
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
   * Column that holds the text.
   *
   * Takes a text.
   * @default 'text'
   */
  dataset_text_field?: string
  /**
   * The longest row in tokens; longer rows are cut. null: no limit.
   *
   * Takes a whole number >= 1 or null.
   * @default 1024
   */
  max_length?: number | null
  /**
   * Which end of a long row is kept.
   *
   * Takes one of 'keep_start'.
   * @default 'keep_start'
   */
  truncation_mode?: 'keep_start'
  /**
   * nll, chunked_nll: mean negative log-likelihood of the tokens, the same number, since logits are never held whole. dft: the loss of each token times its probability, which is a constant for the gradient.
   *
   * Takes one of 'nll', 'chunked_nll', 'dft'.
   * @default 'chunked_nll'
   */
  loss_type?: 'nll' | 'chunked_nll' | 'dft' | null
  /**
   * Fill rows of max_length tokens with several texts.
   *
   * Takes true or false.
   * @default false
   */
  packing?: boolean
  /**
   * bfd: best fit, longer texts cut; bfd_split: best fit, longer texts split; wrapped: one stream cut every max_length tokens.
   *
   * Takes one of 'bfd', 'bfd_split', 'wrapped'.
   * @default 'bfd'
   */
  packing_strategy?: 'bfd' | 'bfd_split' | 'wrapped'
  /**
   * packing for the evaluation set; null: the same.
   *
   * Takes true or false or null.
   * @default null
   */
  eval_packing?: boolean | null
  /**
   * Loss on the completion only; null: when the data set has prompt and completion columns.
   *
   * Takes true or false or null.
   * @default null
   */
  completion_only_loss?: boolean | null
  /**
   * Loss only on the assistant turns of a conversation.
   *
   * Takes true or false.
   * @default false
   */
  assistant_only_loss?: boolean
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
   * add_special_tokens false: raw texts get no special tokens of the tokenizer; append_concat_token false: no end token either; skip_prepare_dataset: rows already have input_ids.
   *
   * Takes an object with add_special_tokens, append_concat_token or skip_prepare_dataset, or null.
   * @default null
   */
  dataset_kwargs?: DatasetKwargs | null
  /**
   * Sets the tokenizer's end token, which must be in the vocabulary. null: unchanged.
   *
   * Takes a text or null.
   * @default null
   */
  eos_token?: string | null
  /**
   * The same for the padding token.
   *
   * Takes a text or null.
   * @default null
   */
  pad_token?: string | null
  /**
   * Shuffle the rows by seed before they are tokenized and packed.
   *
   * Takes true or false.
   * @default false
   */
  shuffle_dataset?: boolean
  /**
   * Options of from_pretrained, if the model is given by name.
   *
   * Takes an object or null.
   * @default null
   */
  model_init_kwargs?: PretrainedOptions | null
  /** Another spelling of gradient_checkpointing. Recompute layers in the backward pass: less memory, more time. */
  activation_checkpointing?: boolean
  /** Another spelling of max_length. The longest row in tokens; longer rows are cut. null: no limit. */
  max_seq_length?: number | null
  /** @deprecated not supported: activations are in host memory already. */
  activation_offloading?: false | null
  /** @deprecated not supported: set tokenizer.chat_template and pass the tokenizer. */
  chat_template_path?: null
  /** @deprecated not supported: no supported model has experts. */
  router_aux_loss_coef?: 0.001 | 0 | null
}

/** The values of SFTTrainer. */
export interface ParsedSFTTrainerOptions {
  /**
   * The model. With peft_config it gets a new adapter, else it must have one. A name is loaded before training, in float32 unless model_init_kwargs has another dtype.
   *
   * Takes a model from AutoModelForCausalLM.from_pretrained, or the name or folder of one.
   */
  model: string | CausalLM | PeftModel
  /**
   * Settings of the run: an SFTConfig, or a TrainingArguments, which keeps its own defaults.
   *
   * Takes an SFTConfig or TrainingArguments.
   */
  args: TrainingArguments | undefined
  /**
   * Rows to learn from: a Dataset, or an IterableDataset, which is read while the run goes on, in its order, and needs max_steps.
   *
   * Takes one Dataset or IterableDataset, such as dict.get('train') of what load_dataset returns.
   */
  train_dataset: TrainingData
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
   * Returns the text of a row, or for an object of columns a list of texts; dataset_text_field is then ignored.
   *
   * Takes a function.
   */
  formatting_func: FormattingFunc | undefined
  /**
   * Makes the ids and labels of rows: DataCollatorForCompletionOnlyLM, or your own (rows) => { input_ids, labels }, called once for each row. It gets tokenized rows, or with remove_unused_columns false the rows as they are. Those that only pad change nothing.
   *
   * Takes a collator: an object with call, a function of rows, or null.
   * @default null
   */
  data_collator: AnyCollator | null
  /**
   * Metrics of an evaluation from { predictions, label_ids }: of each row the most likely next token after each token, as ids, and its labels.
   *
   * Takes a function or null.
   * @default null
   */
  compute_metrics: ComputeMetrics | null
  /**
   * Optimizer and schedule that replace those of optim and lr_scheduler_type. A run uses the optimizer with its present state.
   *
   * Takes a list of an optimizer or null and a schedule or null.
   * @default [null,null]
   */
  optimizers: [Optimizer | null, Schedule | null]
  /**
   * Quantization of a model given by name; short for model_init_kwargs.quantization_config.
   *
   * Takes a BitsAndBytesConfig or null.
   * @default null
   */
  quantization_config: BitsAndBytesConfig | null
  /**
   * The loss (ours): a function of the log-probabilities of the targets, or one that the device computes. Default: set by loss_type and label_smoothing_factor.
   *
   * Takes a function (logps, batch) => ({ loss, dlogps }), or an object with loss, loss_type, label_smoothing_factor or token_weights.
   */
  objective: Objective | undefined
  /**
   * Objects, or classes whose constructor needs no arguments, whose methods are called during the run: on_train_begin, on_step_end, on_log ...
   *
   * Takes a list of callbacks.
   * @default []
   */
  callbacks: GivenCallback[]
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes a text.
   */
  dataset_text_field: string | undefined
  /**
   * Old place of max_length of SFTConfig; null: 1024, as TRL took it.
   *
   * Takes a whole number >= 1 or null.
   */
  max_seq_length: number | null | undefined
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes true or false.
   */
  packing: boolean | undefined
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes true or false or null.
   */
  eval_packing: boolean | null | undefined
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes an object with add_special_tokens, append_concat_token or skip_prepare_dataset, or null.
   */
  dataset_kwargs: DatasetKwargs | null | undefined
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes a whole number >= 1 or null.
   */
  dataset_num_proc: number | null | undefined
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes an object or null.
   */
  model_init_kwargs: PretrainedOptions | null | undefined
  /**
   * Not needed: packing fills rows of max_length tokens.
   *
   * Takes a whole number >= 1.
   * @default 1024
   */
  num_of_sequences: number
  /**
   * Not needed: packing counts tokens, not characters.
   *
   * Takes a number > 0.
   * @default 3.6
   */
  chars_per_token: number
  /**
   * Where progress is shown (ours); by default in the current notebook or terminal.
   *
   * Takes an object with start, step, log and end.
   */
  display: TrainingDisplay | undefined
}

/** What SFTTrainer takes. */
export interface SFTTrainerOptions {
  /**
   * The model. With peft_config it gets a new adapter, else it must have one. A name is loaded before training, in float32 unless model_init_kwargs has another dtype.
   *
   * Takes a model from AutoModelForCausalLM.from_pretrained, or the name or folder of one.
   */
  model: string | CausalLM | PeftModel
  /**
   * Settings of the run: an SFTConfig, or a TrainingArguments, which keeps its own defaults.
   *
   * Takes an SFTConfig or TrainingArguments.
   */
  args?: TrainingArguments
  /**
   * Rows to learn from: a Dataset, or an IterableDataset, which is read while the run goes on, in its order, and needs max_steps.
   *
   * Takes one Dataset or IterableDataset, such as dict.get('train') of what load_dataset returns.
   */
  train_dataset: TrainingData
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
   * Returns the text of a row, or for an object of columns a list of texts; dataset_text_field is then ignored.
   *
   * Takes a function.
   */
  formatting_func?: FormattingFunc
  /**
   * Makes the ids and labels of rows: DataCollatorForCompletionOnlyLM, or your own (rows) => { input_ids, labels }, called once for each row. It gets tokenized rows, or with remove_unused_columns false the rows as they are. Those that only pad change nothing.
   *
   * Takes a collator: an object with call, a function of rows, or null.
   * @default null
   */
  data_collator?: AnyCollator | null
  /**
   * Metrics of an evaluation from { predictions, label_ids }: of each row the most likely next token after each token, as ids, and its labels.
   *
   * Takes a function or null.
   * @default null
   */
  compute_metrics?: ComputeMetrics | null
  /**
   * Optimizer and schedule that replace those of optim and lr_scheduler_type. A run uses the optimizer with its present state.
   *
   * Takes a list of an optimizer or null and a schedule or null.
   * @default [null,null]
   */
  optimizers?: [Optimizer | null, Schedule | null]
  /**
   * Quantization of a model given by name; short for model_init_kwargs.quantization_config.
   *
   * Takes a BitsAndBytesConfig or null.
   * @default null
   */
  quantization_config?: BitsAndBytesConfig | null
  /**
   * The loss (ours): a function of the log-probabilities of the targets, or one that the device computes. Default: set by loss_type and label_smoothing_factor.
   *
   * Takes a function (logps, batch) => ({ loss, dlogps }), or an object with loss, loss_type, label_smoothing_factor or token_weights.
   */
  objective?: Objective
  /**
   * Objects, or classes whose constructor needs no arguments, whose methods are called during the run: on_train_begin, on_step_end, on_log ...
   *
   * Takes a list of callbacks.
   * @default []
   */
  callbacks?: GivenCallback[]
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes a text.
   */
  dataset_text_field?: string
  /**
   * Old place of max_length of SFTConfig; null: 1024, as TRL took it.
   *
   * Takes a whole number >= 1 or null.
   */
  max_seq_length?: number | null
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes true or false.
   */
  packing?: boolean
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes true or false or null.
   */
  eval_packing?: boolean | null
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes an object with add_special_tokens, append_concat_token or skip_prepare_dataset, or null.
   */
  dataset_kwargs?: DatasetKwargs | null
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes a whole number >= 1 or null.
   */
  dataset_num_proc?: number | null
  /**
   * Old place of the option of this name of SFTConfig.
   *
   * Takes an object or null.
   */
  model_init_kwargs?: PretrainedOptions | null
  /**
   * Not needed: packing fills rows of max_length tokens.
   *
   * Takes a whole number >= 1.
   * @default 1024
   */
  num_of_sequences?: number
  /**
   * Not needed: packing counts tokens, not characters.
   *
   * Takes a number > 0.
   * @default 3.6
   */
  chars_per_token?: number
  /**
   * Where progress is shown (ours); by default in the current notebook or terminal.
   *
   * Takes an object with start, step, log and end.
   */
  display?: TrainingDisplay
  /** @deprecated not supported: whole logits never exist here; give a loss of log-probabilities as objective. */
  compute_loss_func?: null
  /** @deprecated not supported: load the model and pass it. */
  model_init?: null
  /** @deprecated not supported: choose an optimizer with optim of SFTConfig. */
  optimizer_cls_and_kwargs?: null
  /** @deprecated not supported: compute_metrics gets the argmax of the logits, taken on the device; it is what this function is for. */
  preprocess_logits_for_metrics?: null
  /** @deprecated not supported: noise on embeddings is not built. */
  neftune_noise_alpha?: null | 0
}

/** The values of SFTTrainer.train. */
export interface ParsedTrainOptions {
  /**
   * Folder of a checkpoint, or true for the newest whole one in output_dir: the run continues from there with the same bits, given the model, data and settings it was made with. null: a stopped run continues; false: a new run begins.
   *
   * Takes the folder of a checkpoint, true, false or null.
   * @default null
   */
  resume_from_checkpoint: boolean | string | null
  /**
   * Aborted, it stops the run at the next step boundary.
   *
   * Takes an AbortSignal.
   */
  signal: AbortSignal | undefined
}

/** What SFTTrainer.train takes. */
export interface TrainOptions {
  /**
   * Folder of a checkpoint, or true for the newest whole one in output_dir: the run continues from there with the same bits, given the model, data and settings it was made with. null: a stopped run continues; false: a new run begins.
   *
   * Takes the folder of a checkpoint, true, false or null.
   * @default null
   */
  resume_from_checkpoint?: boolean | string | null
  /**
   * Aborted, it stops the run at the next step boundary.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /** @deprecated not supported: evaluation keeps no predictions. */
  ignore_keys_for_eval?: null
  /** @deprecated not supported: there is no search for hyperparameters. */
  trial?: null
}
