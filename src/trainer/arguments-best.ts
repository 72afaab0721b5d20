import { get_scheduler } from '../optim/schedules'
import type { TrainingOptions } from './options.generated'

/** The values of metric_for_best_model and greater_is_better that transformers uses when they are not given. */
export function bestOf(args: TrainingOptions): { metric: string | null; greater: boolean | null } {
  const { lr_scheduler_type, learning_rate, lr_scheduler_kwargs } = args
  const settings = { num_training_steps: 1, learning_rate, lr_scheduler_kwargs }
  const follows = get_scheduler(lr_scheduler_type, settings).observe !== undefined
  const metric = args.metric_for_best_model ?? (args.load_best_model_at_end || follows ? 'loss' : null)
  const greater = args.greater_is_better ?? (metric === null ? null : !metric.endsWith('loss'))
  return { metric, greater }
}

/** @throws TypeError when the best checkpoint could not be determined, or would not be saved. */
export function checkBest(args: TrainingOptions, owner: string): void {
  const fail = (text: string): never => {
    throw new TypeError(`[${owner}] ${text}`)
  }
  const { save_strategy, eval_strategy, save_steps, eval_steps, metric_for_best_model } = args
  if (save_strategy === 'best' && metric_for_best_model === null)
    fail("save_strategy 'best' needs metric_for_best_model")
  if ((save_strategy === 'best' || args.load_best_model_at_end) && eval_strategy === 'no')
    fail('evaluations decide which checkpoint is best: set eval_strategy')
  if (!args.load_best_model_at_end || save_strategy === 'best') return
  if (save_strategy !== eval_strategy)
    fail(
      `load_best_model_at_end needs save_strategy and eval_strategy to be the same, or save_strategy 'best'; got '${save_strategy}' and '${eval_strategy}'`,
    )
  if (eval_strategy !== 'steps') return
  const whole = save_steps / (eval_steps ?? save_steps)
  if (Math.abs(whole - Math.round(whole)) > 1e-9 || whole < 1)
    fail(
      `load_best_model_at_end needs save_steps to be a multiple of eval_steps; got ${save_steps} and ${eval_steps}`,
    )
}
