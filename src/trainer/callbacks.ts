import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { Optimizer } from '../optim/optimizer'
import { unknownNameError } from '../options/nearest'
import { show } from '../options/parse'
import type { PeftModel } from '../peft/model'
import type { TrainingArguments } from './arguments'
import { type TrainerControl, newControl } from './control'
import type { LogRow, TrainerState } from './state'

export type { TrainerControl } from './control'

/** The keyword arguments of Python's callbacks. */
export interface CallbackContext {
  model: PeftModel
  processing_class: PreTrainedTokenizer
  /** The optimizer of the run; undefined outside of one. */
  optimizer?: Optimizer | undefined
}

type Heard = void | Promise<void>
type Event = (
  args: TrainingArguments,
  state: TrainerState,
  control: TrainerControl,
  context: CallbackContext,
) => Heard
type EventWith<T> = (
  args: TrainingArguments,
  state: TrainerState,
  control: TrainerControl,
  what: T,
  context: CallbackContext,
) => Heard

/**
 * The events of a run, with transformers' names. Every method is optional and may be async; the loop waits for
 * it.
 */
export interface TrainerCallback {
  /** The trainer was made, or the callback was added to it. A model given by name is not loaded yet. */
  on_init_end?(args: TrainingArguments, state: TrainerState, control: TrainerControl): Heard
  /** Also when a stopped run continues: see `state.global_step` and `state.log_history`. */
  on_train_begin?(...given: Parameters<Event>): Heard
  on_epoch_begin?(...given: Parameters<Event>): Heard
  on_step_begin?(...given: Parameters<Event>): Heard
  /** After a micro batch that is not the last of its update. */
  on_substep_end?(...given: Parameters<Event>): Heard
  /** The gradients of an update are complete, and not yet clipped. */
  on_pre_optimizer_step?(...given: Parameters<Event>): Heard
  /**
   * The weights are updated; `state.global_step` does not include this step yet. Not called for a skipped
   * update.
   */
  on_optimizer_step?(...given: Parameters<Event>): Heard
  on_step_end?(...given: Parameters<Event>): Heard
  on_epoch_end?(...given: Parameters<Event>): Heard
  on_log?(...given: Parameters<EventWith<LogRow>>): Heard
  /** After a batch of an evaluation or prediction. */
  on_prediction_step?(...given: Parameters<Event>): Heard
  on_evaluate?(...given: Parameters<EventWith<LogRow>>): Heard
  on_predict?(...given: Parameters<EventWith<LogRow>>): Heard
  /** `folder` is that of the checkpoint. */
  on_save?(...given: Parameters<EventWith<string>>): Heard
  /** `push_to_hub` was called; nothing is saved or uploaded yet. */
  on_push_begin?(...given: Parameters<Event>): Heard
  /** Also when the run failed or was stopped; `finished` says whether it reached its last step. */
  on_train_end?(...given: Parameters<EventWith<boolean>>): Heard
}

type PlainEvent =
  | 'on_train_begin'
  | 'on_epoch_begin'
  | 'on_step_begin'
  | 'on_substep_end'
  | 'on_pre_optimizer_step'
  | 'on_optimizer_step'
  | 'on_step_end'
  | 'on_epoch_end'
  | 'on_prediction_step'
  | 'on_push_begin'

const events: readonly (keyof TrainerCallback & string)[] = [
  'on_init_end',
  'on_train_begin',
  'on_epoch_begin',
  'on_step_begin',
  'on_substep_end',
  'on_pre_optimizer_step',
  'on_optimizer_step',
  'on_step_end',
  'on_epoch_end',
  'on_log',
  'on_prediction_step',
  'on_evaluate',
  'on_predict',
  'on_save',
  'on_push_begin',
  'on_train_end',
]

/** A callback: an object, or a class whose constructor needs no arguments. */
export type GivenCallback = TrainerCallback | (new () => TrainerCallback)

/** @throws TypeError on an invalid callback, or a method of an unknown event. */
export function checkCallback(given: unknown): TrainerCallback {
  const callback: unknown = typeof given === 'function' ? new (given as new () => object)() : given
  if (typeof callback !== 'object' || callback === null)
    throw new TypeError(
      `[SFTTrainer] callbacks: got ${show(callback)}, needs objects with methods such as on_log`,
    )
  for (const name of allNames(callback))
    if (name.startsWith('on_') && !(events as readonly string[]).includes(name))
      throw unknownNameError('SFTTrainer callback', name, events, 'event')
  return callback as TrainerCallback
}

/** The names of an object's own properties and of its classes' methods, which a loop with `in` does not list. */
function allNames(object: object): string[] {
  if (object === Object.prototype) return []
  const parent = Object.getPrototypeOf(object) as object | null
  return [...Object.getOwnPropertyNames(object), ...(parent ? allNames(parent) : [])]
}

/** Calls the methods of all callbacks for one event, in order. */
export class CallbackHandler {
  readonly control: TrainerControl = newControl()

  constructor(
    private readonly callbacks: readonly TrainerCallback[],
    private readonly args: TrainingArguments,
    private readonly state: TrainerState,
    private readonly context: CallbackContext,
  ) {}

  on(event: PlainEvent): Promise<void> {
    return this.tell((c) => c[event]?.(this.args, this.state, this.control, this.context))
  }

  /** Adds epoch and step to the row, and appends it to the history. */
  record(row: LogRow): LogRow {
    const full = { ...row, epoch: this.state.epoch, step: this.state.global_step }
    this.state.log_history.push(full)
    return full
  }

  /** Calls on_log for a recorded row. */
  logged(row: LogRow): Promise<void> {
    return this.tell((c) => c.on_log?.(this.args, this.state, this.control, row, this.context))
  }

  evaluated(metrics: LogRow): Promise<void> {
    return this.tell((c) => c.on_evaluate?.(this.args, this.state, this.control, metrics, this.context))
  }

  predicted(metrics: LogRow): Promise<void> {
    return this.tell((c) => c.on_predict?.(this.args, this.state, this.control, metrics, this.context))
  }

  saved(folder: string): Promise<void> {
    return this.tell((c) => c.on_save?.(this.args, this.state, this.control, folder, this.context))
  }

  /** An error of the run itself has priority over errors of callbacks. */
  async end(finished: boolean, failed: boolean): Promise<void> {
    await this.tell((c) =>
      c.on_train_end?.(this.args, this.state, this.control, finished, this.context),
    ).catch((error: unknown) => {
      if (!failed) throw error
    })
  }

  /** Calls all callbacks, even if one of them fails, and then throws the first error. */
  private async tell(event: (callback: TrainerCallback) => Heard): Promise<void> {
    const errors: unknown[] = []
    // A callback may add another or remove itself.
    for (const callback of [...this.callbacks]) {
      try {
        await event(callback)
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}
