import { logger } from '../logging'
import { checkNames } from '../options/parse'
import type { TrainingArguments } from './arguments'
import { bestMetricName, isBetter } from './best-model'
import type { TrainerCallback, TrainerControl } from './callbacks'
import type { LogRow, TrainerState } from './state'

export interface EarlyStoppingOptions {
  /** Number of successive evaluations without improvement that end the run. Default: 1. */
  early_stopping_patience?: number
  /** An improvement must be larger than this. Default: 0. */
  early_stopping_threshold?: number
}

/** Ends the run when `metric_for_best_model` has not improved for some evaluations, like transformers' class. */
export class EarlyStoppingCallback implements TrainerCallback {
  readonly early_stopping_patience: number
  readonly early_stopping_threshold: number
  early_stopping_patience_counter: number = 0

  /** @throws TypeError on an unknown option. */
  constructor(options: EarlyStoppingOptions = {}) {
    const known = ['early_stopping_patience', 'early_stopping_threshold'] as const
    checkNames<EarlyStoppingOptions>('EarlyStoppingCallback', options, known)
    this.early_stopping_patience = options.early_stopping_patience ?? 1
    this.early_stopping_threshold = options.early_stopping_threshold ?? 0
  }

  /** @throws Error when metric_for_best_model or evaluations are missing. */
  on_train_begin(args: TrainingArguments): void {
    if (args.metric_for_best_model === null)
      throw new Error('[EarlyStoppingCallback] set metric_for_best_model, or load_best_model_at_end')
    if (args.eval_strategy === 'no')
      throw new Error("[EarlyStoppingCallback] eval_strategy is 'no': it listens to evaluations")
    if (!args.load_best_model_at_end)
      logger.warning_once(
        '[EarlyStoppingCallback] load_best_model_at_end is false: at the end the model is the last one, not the best',
      )
  }

  on_evaluate(args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: LogRow): void {
    const name = bestMetricName(args)
    const value = metrics[name]
    // With several evaluation sets this is called for each; only one of them has the metric.
    if (value === undefined) return
    const best = state.best_metric
    const improves =
      best === null || (isBetter(args, value, best) && Math.abs(value - best) > this.early_stopping_threshold)
    this.early_stopping_patience_counter = improves ? 0 : this.early_stopping_patience_counter + 1
    if (this.early_stopping_patience_counter >= this.early_stopping_patience)
      control.should_training_stop = true
  }
}
