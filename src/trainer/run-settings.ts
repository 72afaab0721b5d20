import { crc32 } from 'node:zlib'
import { kindOf, type Objective } from '../models/objective'
import type { PeftModel } from '../peft/model'
import type { TrainingArguments } from './arguments'
import { inertTrainingOptions } from './arguments-inert'
import type { SFTOptions } from './options.generated'
import type { DPOOptions, KTOOptions, ORPOOptions } from './preference/options.generated'
import { fingerprint, type RowsSeen } from './rows-fingerprint'

/**
 * What a changed option means for a run that continues from a checkpoint:
 * - `refused`: the run would not be the same one;
 * - `warned`: the results may differ in their last bits;
 * - `rows`: it only affects the tokenized rows, whose fingerprint is compared; it is named if that differs;
 * - `loss`: it is part of the loss, which is compared separately;
 * - `free`: it may change.
 */
type OnResume = 'refused' | 'warned' | 'rows' | 'loss' | 'free'

type AnyOption = keyof SFTOptions | keyof DPOOptions | keyof ORPOOptions | keyof KTOOptions

function mapped<K extends string>(
  table: Readonly<Record<K, unknown>>,
  policy: OnResume,
): Record<K, OnResume> {
  return Object.fromEntries(Object.keys(table).map((name) => [name, policy])) as Record<K, OnResume>
}

/** Every option that has an effect is listed here; the compiler reports a missing one. */
export const onResume: Readonly<Record<AnyOption, OnResume>> = {
  ...mapped(inertTrainingOptions, 'free'),
  adam_beta1: 'refused',
  adam_beta2: 'refused',
  adam_epsilon: 'refused',
  bf16: 'refused',
  data_seed: 'refused',
  dataloader_drop_last: 'refused',
  gradient_accumulation_steps: 'refused',
  learning_rate: 'refused',
  lr_scheduler_kwargs: 'refused',
  lr_scheduler_type: 'refused',
  max_grad_norm: 'refused',
  optim: 'refused',
  optim_args: 'refused',
  per_device_train_batch_size: 'refused',
  seed: 'refused',
  train_sampling_strategy: 'refused',
  warmup_steps: 'refused',
  weight_decay: 'refused',
  beta: 'refused',
  desirable_weight: 'refused',
  disable_dropout: 'refused',
  label_smoothing: 'refused',
  loss_weights: 'refused',
  undesirable_weight: 'refused',
  label_smoothing_factor: 'loss',
  loss_type: 'loss',
  // On a GPU, attention may add in another order.
  full_determinism: 'warned',
  // Plans with other MLP tiles add in another order.
  memory: 'warned',
  max_nonfinite_steps: 'free',
  model_init_kwargs: 'free',
  pad_token: 'free',
  assistant_only_loss: 'rows',
  completion_only_loss: 'rows',
  dataset_kwargs: 'rows',
  dataset_text_field: 'rows',
  eos_token: 'rows',
  shuffle_dataset: 'rows',
  max_length: 'rows',
  packing: 'rows',
  packing_strategy: 'rows',
  truncation_mode: 'rows',
  dataset_num_proc: 'free',
  ddp_backend: 'free',
  ddp_timeout: 'free',
  // Sums over other batches may round differently.
  precompute_ref_log_probs: 'warned',
  precompute_ref_batch_size: 'warned',
  disable_tqdm: 'free',
  eval_delay: 'free',
  eval_on_start: 'free',
  eval_packing: 'free',
  eval_steps: 'free',
  eval_strategy: 'free',
  gradient_checkpointing: 'free',
  logging_dir: 'free',
  logging_first_step: 'free',
  logging_nan_inf_filter: 'free',
  logging_steps: 'free',
  logging_strategy: 'free',
  // Compared separately: the length of the run may change, but that changes most schedules.
  max_steps: 'free',
  num_train_epochs: 'free',
  output_dir: 'free',
  pad_to_multiple_of: 'free',
  padding_free: 'free',
  per_device_eval_batch_size: 'free',
  report_to: 'free',
  run_name: 'free',
  greater_is_better: 'free',
  load_best_model_at_end: 'free',
  metric_for_best_model: 'free',
  save_only_model: 'free',
  save_steps: 'free',
  save_strategy: 'free',
  save_total_limit: 'free',
  log_level: 'free',
  trust_remote_code: 'free',
}

/** Settings of the adapter that change its weights. */
export const adapterSettings: readonly string[] = [
  ...[
    'r',
    'lora_alpha',
    'lora_dropout',
    'target_modules',
    'exclude_modules',
    'bias',
    'use_rslora',
    'use_dora',
  ],
  ...['modules_to_save', 'layers_to_transform', 'layers_pattern', 'rank_pattern', 'alpha_pattern'],
]

const lossKeys = ['objective', 'token_weights', 'loss_type', 'label_smoothing_factor'] as const

/** The settings that identify a run, as stored in run_state.json. */
export interface RunSettings {
  /** The options that are 'refused', 'warned' or 'rows'. */
  args: Record<string, unknown>
  adapter: Record<string, unknown>
  /**
   * Configuration, quantization, dtype and device of the base model, its name, and a sum of its last norm's
   * weights.
   */
  model: Record<string, unknown>
  loss: LossSettings
  /** Of a stream the rows of its first block. */
  data: { rows: number; fingerprint: string; stream?: true | undefined }
  /** Updates of the whole run, which most schedules depend on. */
  max_steps: number
}

/** The loss; functions are stored by name. 'chunked_nll' is stored as 'nll', which gives the same numbers. */
export interface LossSettings {
  loss_type?: string | undefined
  label_smoothing_factor?: number | undefined
  objective?: string | undefined
  token_weights?: string | undefined
}

/** The settings of an objective's loss. */
export function lossSettings(objective: Objective | undefined): LossSettings {
  const { host, token } = kindOf(objective)
  const nameOf = ({ name }: { name: string }): string => name || 'a function without a name'
  if (host) return { objective: nameOf(host.loss) }
  const { loss_type = 'nll', label_smoothing_factor = 0, token_weights } = token!
  return { loss_type, label_smoothing_factor, token_weights: token_weights && nameOf(token_weights) }
}

export async function settingsOf(
  model: PeftModel,
  args: TrainingArguments,
  rows: RowsSeen,
  max_steps: number,
  { loss = lossSettings(undefined), ranks = 1 }: { loss?: LossSettings; ranks?: number | undefined } = {},
): Promise<RunSettings> {
  const { base_model, peft_config } = model
  const adapter = peft_config.to_dict()
  const { _name_or_path, ...config } = model.config.to_dict()
  const compared = Object.entries(onResume).filter(([, policy]) => policy !== 'free' && policy !== 'loss')
  const settings = {
    args: {
      ...Object.fromEntries(compared.map(([name]) => [name, args[name as keyof TrainingArguments]])),
      // Two ranks are one that accumulates twice as many batches: a run may go on with another number of them.
      gradient_accumulation_steps: args.gradient_accumulation_steps * ranks,
    },
    adapter: Object.fromEntries(adapterSettings.map((name) => [name, adapter[name]])),
    model: {
      name_or_path: base_model.name_or_path,
      config,
      quantization_config: base_model.quantization_config?.to_dict() ?? null,
      dtype: base_model.dtype,
      device: base_model.device.name,
      norm: crc32(await base_model.parts.norm.weight.bytes()),
    },
    loss,
    data: {
      rows: rows.rows.length,
      fingerprint: fingerprint(rows.rows),
      ...(rows.isStream && { stream: true }),
    },
    max_steps,
  }
  // As it is read from a checkpoint's file: without undefined, with plain arrays.
  return JSON.parse(JSON.stringify(settings)) as RunSettings
}

/** Settings of `now` that differ from the checkpoint's run. Each text names one setting with both values. */
export function differences(saved: RunSettings, now: RunSettings): { refused: string[]; warned: string[] } {
  const refused: string[] = []
  const warned: string[] = []
  const told = (name: string, was: unknown, is: unknown): string =>
    `${name} is ${text(is)}; the checkpoint's run had ${text(was)}`
  const other = (was: Record<string, unknown>, is: Record<string, unknown>): string[] =>
    [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((key) => text(was[key]) !== text(is[key]))
  const changed = other(saved.args, now.args)
  for (const name of changed) {
    const policy = onResume[name as AnyOption] as OnResume | undefined
    const list = policy === 'refused' ? refused : policy === 'warned' ? warned : undefined
    const unit = name === 'gradient_accumulation_steps' ? ', each times its ranks' : ''
    list?.push(told(name, saved.args[name], now.args[name]) + unit)
  }
  if (text(saved.data) !== text(now.data)) {
    const causes = changed.filter((name) => onResume[name as AnyOption] === 'rows')
    const why = causes.map((name) => told(name, saved.args[name], now.args[name])).join(', ')
    const counts = now.data.stream
      ? 'the first rows of the stream are others: give shuffle a seed'
      : `${now.data.rows} rows now, ${saved.data.rows} then`
    refused.push(
      `the tokenized rows of train_dataset are not those of the checkpoint's run (${why || counts})`,
    )
  }
  const [wasLoss, isLoss] = [saved.loss, now.loss]
  for (const name of lossKeys) {
    const [was, is] = [wasLoss[name], isLoss[name]]
    const isFunction = name === 'objective' || name === 'token_weights'
    if (isFunction && was !== undefined && is !== undefined)
      warned.push(
        `${name} is a function, which cannot be compared: ${is} now, ${was} in the checkpoint's run; the run is the same only if it computes the same`,
      )
    else if (was !== is) refused.push(told(name, was, is))
  }
  for (const name of other(saved.adapter, now.adapter))
    refused.push(told(`LoraConfig.${name}`, saved.adapter[name], now.adapter[name]))
  for (const name of other(saved.model, now.model)) {
    const list = name === 'name_or_path' || name === 'device' ? warned : refused
    const [was, is] = [saved.model[name], now.model[name]]
    const inside = isRecord(was) && isRecord(is) ? other(was, is) : []
    if (name === 'norm') list.push("the base model's weights are not those of the checkpoint's run")
    else if (isRecord(was) && isRecord(is))
      list.push(...inside.map((key) => told(`the base model's ${key}`, was[key], is[key])))
    else list.push(told(`the base model's ${name}`, was, is))
  }
  const schedule = text(now.args['lr_scheduler_type'])
  if (saved.max_steps !== now.max_steps && !/constant|plateau/.test(schedule))
    warned.push(
      `${told('max_steps', saved.max_steps, now.max_steps)}: from here on the schedule ${schedule} runs as in the longer or shorter run`,
    )
  return { refused, warned }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A text that is equal for equal values, whatever the order of their keys. */
function text(value: unknown): string {
  if (typeof value === 'string') return value
  return (
    JSON.stringify(value, (_, v: unknown) =>
      isRecord(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v,
    ) ?? 'not set'
  )
}
