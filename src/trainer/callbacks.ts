import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { Optimizer } from '../optim/optimizer'
import { unknownNameError } from '../options/nearest'
import { show } from '../options/parse'
import type { PeftModel } from '../peft/model'
import type { TrainingArguments } from './arguments'
import { type TrainerControl, newControl } from './control'
import type { LogRow, TrainerState } from './state'

export type { TrainerControl } from './control'

/** What Python's callbacks find in their keyword arguments. */
export interface CallbackContext {
  model: PeftModel
  processing_class: PreTrainedTokenizer
  /** Of the run; absent outside of one. */
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

/** What happens in a run, with transformers' names. Every method may be left out and may be async; the loop waits for it. */
export interface TrainerCallback {
  /** The trainer is made, or the callback was added to it; a model given by name is not there yet. */
  on_init_end?(args: TrainingArguments, state: TrainerState, control: TrainerControl): Heard
  /** Also when a stopped run goes on; `state.global_step` and `state.log_history` tell how far it is. */
  on_train_begin?(...given: Parameters<Event>): Heard
  on_epoch_begin?(...given: Parameters<Event>): Heard
  on_step_begin?(...given: Parameters<Event>): Heard
  /** A micro batch is done that is not the last of its update. */
  on_substep_end?(...given: Parameters<Event>): Heard
  /** The gradients of an update are whole, not yet clipped. */
  on_pre_optimizer_step?(...given: Parameters<Event>): Heard
  /** The weights are updated; `state.global_step` does not count the step yet. Not when the update was skipped. */
  on_optimizer_step?(...given: Parameters<Event>): Heard
  on_step_end?(...given: Parameters<Event>): Heard
  on_epoch_end?(...given: Parameters<Event>): Heard
  on_log?(...given: Parameters<EventWith<LogRow>>): Heard
  /** A batch of an evaluation or prediction is done. */
  on_prediction_step?(...given: Parameters<Event>): Heard
  on_evaluate?(...given: Parameters<EventWith<LogRow>>): Heard
  on_predict?(...given: Parameters<EventWith<LogRow>>): Heard
  /** `folder`: the checkpoint's. */
  on_save?(...given: Parameters<EventWith<string>>): Heard
  /** Also called when the run failed or was stopped; `finished` says whether it reached its last step. */
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
  'on_train_end',
]

/** A callback as given: an object, or a class that is made without arguments. */
export type GivenCallback = TrainerCallback | (new () => TrainerCallback)

/** @throws TypeError on what is no callback, and on a method that nothing would ever call. */
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

/** The names of an object and of its classes, whose methods `in` does not list. */
function allNames(object: object): string[] {
  if (object === Object.prototype) return []
  const parent = Object.getPrototypeOf(object) as object | null
  return [...Object.getOwnPropertyNames(object), ...(parent ? allNames(parent) : [])]
}

/** Calls one event on all callbacks in order. */
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

  /** Adds epoch and step to the row, and keeps it in the history. */
  record(row: LogRow): LogRow {
    const full = { ...row, epoch: this.state.epoch, step: this.state.global_step }
    this.state.log_history.push(full)
    return full
  }

  /** Tells everybody of a row that was recorded. */
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

  /** A failure of the run itself goes before theirs. */
  async end(finished: boolean, failed: boolean): Promise<void> {
    await this.tell((c) =>
      c.on_train_end?.(this.args, this.state, this.control, finished, this.context),
    ).catch((error: unknown) => {
      if (!failed) throw error
    })
  }

  /** Everybody is told, also when one of them fails, so that the others miss nothing; the first failure is thrown. */
  private async tell(event: (callback: TrainerCallback) => Heard): Promise<void> {
    const errors: unknown[] = []
    // A callback may add another, or take itself away.
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
