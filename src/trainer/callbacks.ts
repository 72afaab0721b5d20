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

/** Calls one event on all callbacks in order. */
export class CallbackHandler {
  readonly control: TrainerControl = { should_training_stop: false }

  constructor(
    private readonly callbacks: TrainerCallback[],
    private readonly args: TrainingArguments,
    private readonly state: TrainerState,
  ) {}

  async begin(): Promise<void> {
    for (const c of this.callbacks) await c.on_train_begin?.(this.args, this.state, this.control)
  }

  async stepEnd(): Promise<void> {
    for (const c of this.callbacks) await c.on_step_end?.(this.args, this.state, this.control)
  }

  /** Adds epoch and step to the row, keeps it in the history, and tells everybody. */
  async log(row: LogRow): Promise<void> {
    const full = { ...row, epoch: this.state.epoch, step: this.state.global_step }
    this.state.log_history.push(full)
    for (const c of this.callbacks) await c.on_log?.(this.args, this.state, this.control, full)
  }

  async evaluated(metrics: LogRow): Promise<void> {
    for (const c of this.callbacks) await c.on_evaluate?.(this.args, this.state, this.control, metrics)
  }

  async saved(folder: string): Promise<void> {
    for (const c of this.callbacks) await c.on_save?.(this.args, this.state, this.control, folder)
  }

  /** Everybody is told, also when one of them fails; a failure of the run itself goes before theirs. */
  async end(finished: boolean, failed: boolean): Promise<void> {
    const errors: unknown[] = []
    for (const c of this.callbacks) {
      try {
        await c.on_train_end?.(this.args, this.state, this.control, finished)
      } catch (error) {
        errors.push(error)
      }
    }
    if (!failed && errors.length > 0) throw errors[0]
  }
}
