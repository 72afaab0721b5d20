import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { logger } from '../logging'
import type { PeftModel } from '../peft/model'
import { readAdapterWeights } from '../peft/load'
import type { TrainingArguments } from './arguments'
import type { LogRow, TrainerState } from './state'

/**
 * The name, in log rows, of the metric that decides which checkpoint is best. Without metric_for_best_model it
 * is the loss, which schedules use.
 */
export function bestMetricName({ metric_for_best_model: name }: TrainingArguments): string {
  return name === null ? 'eval_loss' : name.startsWith('eval_') ? name : `eval_${name}`
}

/** @throws Error listing the available metrics. */
export function metricOf(metrics: LogRow, name: string): number {
  const value = metrics[name]
  if (value !== undefined) return value
  throw new Error(
    `[TrainingArguments] metric_for_best_model: the evaluation gave no '${name}'. It gave: ${Object.keys(metrics).join(', ')}`,
  )
}

/** Whether one value of the metric is better than another. */
export function isBetter(args: TrainingArguments, value: number, than: number): boolean {
  return args.greater_is_better ? value > than : value < than
}

/** Keeps the best value in the state, as transformers does. Returns whether this value is a new best. */
export function trackBest(args: TrainingArguments, state: TrainerState, metrics: LogRow): boolean {
  if (args.metric_for_best_model === null) return false
  const value = metricOf(metrics, bestMetricName(args))
  const worst = args.greater_is_better ? -Infinity : Infinity
  if (!isBetter(args, value, state.best_metric ?? worst)) return false
  state.best_metric = value
  state.best_global_step = state.global_step
  return true
}

/** Records the best checkpoint in the state, if the checkpoint of the best step was written. */
export function trackBestCheckpoint(args: TrainingArguments, state: TrainerState, written: string): void {
  if (state.best_global_step === null || args.metric_for_best_model === null) return
  const folder = join(args.output_dir, `checkpoint-${state.best_global_step}`)
  if (folder === written || existsSync(folder)) state.best_model_checkpoint = folder
}

/** load_best_model_at_end: loads the weights of the best checkpoint into the model. */
export async function loadBest(
  args: TrainingArguments,
  { best_model_checkpoint: folder, best_metric }: TrainerState,
  model: PeftModel,
): Promise<void> {
  if (!args.load_best_model_at_end) return
  if (folder === null)
    return logger.warning(
      'load_best_model_at_end: no checkpoint was the best; the model stays as the last step left it',
    )
  await readAdapterWeights(folder, model.parameters(), model.base_model)
  logger.info(`the model is that of ${folder}, whose ${bestMetricName(args)} was ${best_metric}`)
}
