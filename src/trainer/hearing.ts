import type { CallbackHandler } from './callbacks'
import type { TrainStepOptions } from './train-step'

/**
 * Calls callbacks for the events inside one step. Errors thrown after the update are kept until `throwLate`,
 * which is called when the step has been counted, since the weights have already changed.
 */
export class Hearing {
  private readonly late: unknown[] = []
  readonly hooks: Pick<TrainStepOptions, 'on_substep_end' | 'on_pre_optimizer_step' | 'on_optimizer_step'>

  constructor(events: CallbackHandler) {
    this.hooks = {
      on_substep_end: () => events.on('on_substep_end'),
      on_pre_optimizer_step: () => events.on('on_pre_optimizer_step'),
      on_optimizer_step: () =>
        events.on('on_optimizer_step').catch((error: unknown) => void this.late.push(error)),
    }
  }

  throwLate(): void {
    if (this.late.length > 0) throw this.late[0]
  }
}
