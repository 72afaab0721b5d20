import type { ToRunner } from './messages'

/**
 * Milliseconds: for the thread to answer; for a cell to end after its awaits were rejected, or after it
 * continued while work is stopping; for that work to stop.
 */
const patience = { answer: 150, ending: 1000, stopping: 15_000 }

export interface InterruptionActions {
  /** Sets the flag that the cells' loops read; 0 clears it. */
  flag: (sequence: number) => void
  post: (message: ToRunner) => void
  /** Ends the JavaScript that the thread is running. */
  terminate: () => void
  /** Signals the processes that the cell has started and waits for. */
  signalChildren: (signal: NodeJS.Signals) => void
  /** Considers the cell ended, whatever of it still runs. */
  giveUp: (run: number) => void
}

type State = 'idle' | 'asked' | 'stopping' | 'ending' | 'forced'

/** An interrupt as the main thread controls it; docs/architecture.md has its state diagram. */
export class Interruption {
  state: State = 'idle'
  private run = 0
  private sequence = 0
  private rounds = 0
  private deadline: NodeJS.Timeout | undefined

  constructor(private readonly actions: InterruptionActions) {}

  /**
   * Interrupts the cell of that run (0 if none is running); a second interrupt ends a cell that waits for work
   * to stop.
   */
  begin(run: number): void {
    this.run = run
    this.ask()
  }

  /** The cell has ended. */
  end(): void {
    this.enter('idle')
  }

  /**
   * The thread has received the interrupt; `stopping`: the cell waits for work that listens to it, such as
   * training.
   */
  answered(sequence: number, stopping: boolean): void {
    if (sequence !== this.sequence || this.state === 'idle') return
    if (stopping) this.enter('stopping', patience.stopping, () => this.ask())
    else this.enter('ending', patience.ending, () => this.probe())
  }

  /** The cell continues although the work that it may have waited for is still stopping: it must end soon. */
  moved(sequence: number): void {
    if (sequence === this.sequence && this.state === 'stopping')
      this.enter('stopping', patience.ending, () => this.ask())
  }

  /** The thread has read its messages, so what it ran has ended or waits. */
  pong(sequence: number): void {
    if (sequence === this.sequence && this.state === 'forced') this.giveUp()
  }

  private ask(): void {
    const { run, actions } = this
    const sequence = ++this.sequence
    actions.flag(sequence)
    actions.post({ type: 'interrupt', run, sequence })
    this.rounds = 0
    this.enter('asked', patience.answer, () => this.force())
  }

  /** The cell's time is over. It is given up if the thread is not busy. */
  private probe(): void {
    this.actions.post({ type: 'ping', sequence: this.sequence })
    this.enter('forced', patience.answer, () => this.force())
  }

  private force(): void {
    const { sequence, actions } = this
    actions.terminate()
    // In an idle thread, termination would end the handler of the next message instead; the first ping may be
    // lost.
    actions.post({ type: 'ping', sequence })
    actions.post({ type: 'ping', sequence })
    const signals = [undefined, 'SIGINT', 'SIGTERM', 'SIGKILL'] as const
    const signal = signals[Math.min(Math.ceil(this.rounds++ / 2), signals.length - 1)]
    if (signal) actions.signalChildren(signal)
    this.enter('forced', patience.answer, () => this.force())
  }

  private giveUp(): void {
    const { run } = this
    this.enter('idle')
    this.actions.giveUp(run)
  }

  private enter(state: State, milliseconds = 0, next?: () => void): void {
    clearTimeout(this.deadline)
    this.state = state
    this.deadline = next && setTimeout(next, milliseconds)
  }
}
