import { homedir } from 'node:os'

import { parseOptimizerArgs } from '../optim/create'
import { get_scheduler } from '../optim/schedules'
import type { OptionSet } from '../options/declaration'
import { optionsToDict, parseOptions } from '../options/parse'
import { bestOf, checkBest } from './arguments-best'
import { trainingOptionSet } from './arguments-options'
import type { SFTInit, SFTOptions, TrainingInit, TrainingOptions } from './options.generated'
import { sftOptionSet } from './sft-options'

export type { SFTInit, TrainingInit } from './options.generated'

export interface TrainingArguments extends TrainingOptions {
  output_dir: string
}

const fail = (owner: string, text: string): never => {
  throw new TypeError(`[${owner}] ${text}`)
}

/**
 * Settings of a training run, with the names and defaults of transformers 5.18. Names of 4.x are accepted too
 * (warmup_ratio, group_by_length, evaluation_strategy, logging_dir).
 *
 * Throws `TypeError` on an unknown name (with the nearest known one), a wrong value, contradictory options,
 * and on an option that is known but not supported, with the reason.
 */
export class TrainingArguments {
  static readonly options: OptionSet<TrainingOptions> = trainingOptionSet

  constructor(init: TrainingInit = {}) {
    const { options } = new.target
    Object.assign(this, parseOptions(options, init))
    this.output_dir = (this.output_dir ?? 'trainer_output').replace(/^~(?=\/|$)/, homedir())
    this.run_name ??= this.output_dir
    if (this.eval_strategy === 'steps') this.eval_steps ||= this.logging_steps
    const { metric, greater } = bestOf(this)
    this.metric_for_best_model = metric
    this.greater_is_better = greater
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
    checkBest(this, owner)
    parseOptimizerArgs(this.optim, this.optim_args)
    // Made once to check it: a wrong setting should be reported before the model is loaded.
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

  /** Number of warm-up updates: warmup_steps, or below 1 that share of `num_training_steps`, rounded up. */
  get_warmup_steps(num_training_steps: number): number {
    return resolveSteps(this.warmup_steps, num_training_steps)
  }

  /**
   * Updates between two logs, evaluations or checkpoints in a run of `max_steps` updates. 0, also for the
   * strategies 'no' and 'epoch': after no step.
   */
  get_interval(event: 'logging' | 'eval' | 'save', max_steps: number): number {
    if (this[`${event}_strategy`] !== 'steps') return 0
    return resolveSteps(this[`${event}_steps`] ?? 0, max_steps)
  }

  /** Every option of the reference, in alphabetic order, as JSON values. */
  to_dict(): Record<string, unknown> {
    return optionsToDict((this.constructor as typeof TrainingArguments).options, this)
  }

  to_json_string(): string {
    return JSON.stringify(this.to_dict(), null, 2)
  }
}

export interface SFTConfig extends Omit<SFTOptions, keyof TrainingOptions> {}

/**
 * TrainingArguments for SFTTrainer with TRL's defaults: bf16 and gradient checkpointing on, learning_rate 2e-5,
 * logging_steps 10, max_length 1024. `new SFTConfig({ ...args, max_length })` keeps all settings of a
 * TrainingArguments.
 */
export class SFTConfig extends TrainingArguments {
  static override readonly options: OptionSet<SFTOptions> = sftOptionSet

  constructor(init: SFTInit = {}) {
    super(init as TrainingInit)
  }
}

function resolveSteps(value: number, total: number): number {
  return value < 1 ? Math.ceil(total * value) : Math.trunc(value)
}
