import type { ProcessGroup } from '../distributed/group'
import type { TrainerControl } from './control'
import type { Interrupt } from './interrupt'
import type { Due } from './progress'

const order: readonly Due[] = ['skip', 'log', 'evaluate', 'save']

/** What one rank is asked, all ranks do, at the same place: to stop, to end an epoch, to log, evaluate or save. */
export class Agreement {
  private readonly controller: AbortController = new AbortController()
  /** The signal that asked the process of some rank to end. */
  endedBy: NodeJS.Signals | undefined

  constructor(
    private readonly group: ProcessGroup,
    private readonly interrupt: Interrupt,
  ) {}

  /** Aborted in `stop` alone, so that it is on every rank or on none. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  async stop(): Promise<void> {
    const { signal, endedBy } = this.interrupt
    const all = await this.group.gather('who is asked to stop', {
      isAsked: signal.aborted,
      endedBy: endedBy ?? null,
    })
    this.endedBy ??= all.find((one) => one.endedBy !== null)?.endedBy ?? undefined
    if (all.some(({ isAsked }) => isAsked))
      this.controller.abort(signal.reason ?? new DOMException('interrupted', 'AbortError'))
  }

  /** What a callback of some rank wants done is due on all. */
  async control(control: TrainerControl, due: readonly Due[]): Promise<Due[]> {
    const { should_training_stop, should_epoch_stop } = control
    const all = await this.group.gather('what is due', { due, should_training_stop, should_epoch_stop })
    control.should_training_stop = all.some((one) => one.should_training_stop)
    control.should_epoch_stop = all.some((one) => one.should_epoch_stop)
    return order.filter((what) => all.some((one) => one.due.includes(what)))
  }
}
