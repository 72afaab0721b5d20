import { homedir } from 'node:os'

import { parseOptimizerArgs } from '../optim/create'
import { get_scheduler } from '../optim/schedules'
import type { OptionSet } from '../options/declaration'
import { optionsToDict, parseOptions } from '../options/parse'
import { type Tracker, type TrainingOptions, trainingOptionSet } from './arguments-options'
import type { RefusedTrainingOption } from './arguments-refused'

/** Spellings of transformers 4 and earlier. */
export interface OldTrainingSpellings {
  /** Share of all steps, now warmup_steps below 1. */
  warmup_ratio?: number
  /** Now train_sampling_strategy. */
  group_by_length?: boolean
  /** Now eval_strategy. */
  evaluation_strategy?: TrainingOptions['eval_strategy']
  per_gpu_train_batch_size?: number
  per_gpu_eval_batch_size?: number
}

/** What the constructor takes; the refused options pass only with their neutral values. */
export type TrainingInit = Partial<Omit<TrainingOptions, 'report_to'>> &
  OldTrainingSpellings & { report_to?: Tracker | 'none' | 'all' | readonly Tracker[] | null } & {
    [name in RefusedTrainingOption]?: unknown
  }

export interface TrainingArguments extends TrainingOptions {
  output_dir: string
}

const fail = (owner: string, text: string): never => {
  throw new TypeError(`[${owner}] ${text}`)
}

/**
 * Settings of a training run, with the names and defaults of transformers 5.18; spellings of 4.x are accepted
 * (warmup_ratio, group_by_length, evaluation_strategy, logging_dir).
 *
 * Throws `TypeError` on an unknown name (with the nearest), a wrong value, a contradiction, and on an option this version
 * knows but does not implement, with the reason.
 */
export class TrainingArguments {
  static readonly options: OptionSet<TrainingOptions> = trainingOptionSet

  constructor(init: TrainingInit = {}) {
    const { options } = new.target
    if (init.fp16 === true && init.bf16 === true)
      fail(options.owner, 'fp16 and bf16 are both true: choose one')
    Object.assign(this, parseOptions(options, init))
    this.output_dir = (this.output_dir ?? 'trainer_output').replace(/^~(?=\/|$)/, homedir())
    this.run_name ??= this.output_dir
    if (this.eval_strategy === 'steps') this.eval_steps ||= this.logging_steps
    this.do_eval ||= this.eval_strategy !== 'no'
    this.#check(options.owner)
  }

  #check(owner: string): void {
    if (this.logging_strategy === 'steps' && this.logging_steps === 0) {
      fail(
        owner,
        "logging_steps is 0; logging_strategy 'steps' needs more. To log nothing: logging_strategy: 'no'",
      )
    }
    if (this.eval_strategy === 'steps' && !this.eval_steps) {
      fail(owner, "eval_strategy 'steps' needs eval_steps or logging_steps above 0")
    }
    if (this.dataloader_prefetch_factor !== null && this.dataloader_num_workers === 0) {
      fail(owner, 'dataloader_prefetch_factor needs dataloader_num_workers above 0')
    }
    parseOptimizerArgs(this.optim, this.optim_args)
    // Built once for its checks: a wrong extra should not wait for the model to be loaded.
    const schedule = get_scheduler(this.lr_scheduler_type, {
      num_training_steps: 1,
      learning_rate: this.learning_rate,
      lr_scheduler_kwargs: this.lr_scheduler_kwargs,
    })
    if (schedule.observe && this.eval_strategy === 'no') {
      fail(
        owner,
        `lr_scheduler_type '${this.lr_scheduler_type}' follows the evaluation loss: set eval_strategy`,
      )
    }
  }

  /** Warm-up in updates: warmup_steps, or below 1 its share of `num_training_steps`, rounded up. */
  get_warmup_steps(num_training_steps: number): number {
    return resolveSteps(this.warmup_steps, num_training_steps)
  }

  /**
   * Updates between two logs, evaluations or checkpoints in a run of `max_steps` updates; 0: never at a step. The
   * strategies 'no' and 'epoch' give 0.
   */
  get_interval(event: 'logging' | 'eval' | 'save', max_steps: number): number {
    if (this[`${event}_strategy`] !== 'steps') return 0
    return resolveSteps(this[`${event}_steps`] ?? 0, max_steps)
  }

  /** Every option of the reference, by name in alphabetic order, as JSON values. */
  to_dict(): Record<string, unknown> {
    return optionsToDict((this.constructor as typeof TrainingArguments).options, this)
  }

  to_json_string(): string {
    return JSON.stringify(this.to_dict(), null, 2)
  }
}

function resolveSteps(value: number, total: number): number {
  return value < 1 ? Math.ceil(total * value) : Math.trunc(value)
}
