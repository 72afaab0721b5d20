import { unknownNameError } from '../options/nearest'
import { show } from '../options/parse'
import type { TrainingArguments } from './arguments'
import type { LogRow, TrainerState } from './state'

/** Set by a callback to steer the loop; read after each step. */
export interface TrainerControl {
  should_training_stop: boolean
}

/** What happens in a run. Every method may be left out and may be async; the loop waits for it. */
export interface TrainerCallback {
  /** Also when a stopped run goes on; `state.global_step` and `state.log_history` tell how far it is. */
  on_train_begin?(args: TrainingArguments, state: TrainerState, control: TrainerControl): void | Promise<void>
  on_step_end?(args: TrainingArguments, state: TrainerState, control: TrainerControl): void | Promise<void>
  on_log?(
    args: TrainingArguments,
    state: TrainerState,
    control: TrainerControl,
    logs: LogRow,
  ): void | Promise<void>
  on_evaluate?(
    args: TrainingArguments,
    state: TrainerState,
    control: TrainerControl,
    metrics: LogRow,
  ): void | Promise<void>
  on_save?(
    args: TrainingArguments,
    state: TrainerState,
    control: TrainerControl,
    folder: string,
  ): void | Promise<void>
  /** Also called when the run failed or was stopped; `finished` says whether it reached its last step. */
  on_train_end?(
    args: TrainingArguments,
    state: TrainerState,
    control: TrainerControl,
    finished: boolean,
  ): void | Promise<void>
}

const events: readonly (keyof TrainerCallback & string)[] = [
  'on_train_begin',
  'on_step_end',
  'on_log',
  'on_evaluate',
  'on_save',
  'on_train_end',
]

/** @throws TypeError on what is no callback, and on a method that nothing would ever call. */
export function checkCallback(callback: unknown): void {
  if (typeof callback !== 'object' || callback === null)
    throw new TypeError(
      `[SFTTrainer] callbacks: got ${show(callback)}, needs objects with methods such as on_log`,
    )
  for (const name of allNames(callback))
    if (name.startsWith('on_') && !(events as readonly string[]).includes(name))
      throw unknownNameError('SFTTrainer callback', name, events, 'event')
}

/** The names of an object and of its classes, whose methods `in` does not list. */
function allNames(object: object): string[] {
  if (object === Object.prototype) return []
  const parent = Object.getPrototypeOf(object) as object | null
  return [...Object.getOwnPropertyNames(object), ...(parent ? allNames(parent) : [])]
}

/** The other flags of transformers: setting one is told, not ignored. */
function newControl(): TrainerControl {
  const control = { should_training_stop: false }
  const later = {
    should_epoch_stop: 'set should_training_stop',
    should_save: 'set save_strategy and save_steps',
    should_evaluate: 'set eval_strategy and eval_steps, or call trainer.evaluate() after the run',
    should_log: 'set logging_steps',
  }
  for (const [name, instead] of Object.entries(later))
    Object.defineProperty(control, name, {
      get: () => false,
      set(value) {
        if (value)
          throw new TypeError(`[TrainerControl] ${name} = ${show(value)} is not supported: ${instead}.`)
      },
    })
  return control
}

/** Calls one event on all callbacks in order. */
export class CallbackHandler {
  readonly control: TrainerControl = newControl()

  constructor(
    private readonly callbacks: TrainerCallback[],
    private readonly args: TrainingArguments,
    private readonly state: TrainerState,
  ) {}

  begin(): Promise<void> {
    return this.tell((c) => c.on_train_begin?.(this.args, this.state, this.control))
  }

  stepEnd(): Promise<void> {
    return this.tell((c) => c.on_step_end?.(this.args, this.state, this.control))
  }

  /** Adds epoch and step to the row, and keeps it in the history. */
  record(row: LogRow): LogRow {
    const full = { ...row, epoch: this.state.epoch, step: this.state.global_step }
    this.state.log_history.push(full)
    return full
  }

  /** Tells everybody of a row that was recorded. */
  logged(row: LogRow): Promise<void> {
    return this.tell((c) => c.on_log?.(this.args, this.state, this.control, row))
  }

  evaluated(metrics: LogRow): Promise<void> {
    return this.tell((c) => c.on_evaluate?.(this.args, this.state, this.control, metrics))
  }

  saved(folder: string): Promise<void> {
    return this.tell((c) => c.on_save?.(this.args, this.state, this.control, folder))
  }

  /** A failure of the run itself goes before theirs. */
  async end(finished: boolean, failed: boolean): Promise<void> {
    await this.tell((c) => c.on_train_end?.(this.args, this.state, this.control, finished)).catch(
      (error: unknown) => {
        if (!failed) throw error
      },
    )
  }

  /** Everybody is told, also when one of them fails, so that the others miss nothing; the first failure is thrown. */
  private async tell(event: (callback: TrainerCallback) => void | Promise<void>): Promise<void> {
    const errors: unknown[] = []
    for (const callback of this.callbacks) {
      try {
        await event(callback)
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}
