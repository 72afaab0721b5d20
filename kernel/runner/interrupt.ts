import { getEventListeners } from 'node:events'
import { slots } from './messages'
import { within } from './timers'

export class KeyboardInterrupt extends Error {
  override name = 'KeyboardInterrupt'

  constructor() {
    super('the cell was interrupted')
  }
}

/** One cell's run: what an interrupt has to end. */
export class Run {
  readonly waiting = new Set<(error: Error) => void>()
  /** Given up by the kernel: its awaits and loops throw from now on, its timers no longer fire. */
  abandoned = false

  constructor(
    readonly id: number,
    /** A subshell's or a comm handler's: an interrupt ends its loops, not its awaits. */
    readonly isBeside = false,
  ) {}

  interrupt(): void {
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const reject of waiting) reject(new KeyboardInterrupt())
  }
}

/** The cooperative half of an interrupt: what cells' rewritten awaits and loops ask. */
export class Interrupts {
  /** Whose code runs now, for outputs; `foreground` is the cell the kernel waits for. */
  current: Run | undefined
  foreground: Run | undefined
  /** Of the interrupts that have come, the last one a loop or an await has thrown for. */
  private handled = 0
  private controller = new AbortController()
  private patientFor: number | undefined

  constructor(private readonly flags: Int32Array) {}

  /** Aborted at each interrupt; the next one gets a new signal. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  /** Outputs of `act`, until its first await, are those of `run`. */
  as<T>(run: Run, act: () => T): T {
    const before = this.current
    this.current = run
    try {
      return act()
    } finally {
      this.current = before
    }
  }

  /** Throws in the interrupted cell; reads shared memory, so it works while this thread never rests. */
  readonly check = (): void => {
    if (Atomics.load(this.flags, slots.interrupt) !== 0) this.raise()
    if (this.current?.abandoned) throw new KeyboardInterrupt()
  }

  readonly wait = (value: unknown): unknown => {
    this.check()
    const run = this.current
    if (!run || !isThenable(value)) return value
    return new Promise((resolve, reject) => {
      // An interrupt ends the awaits of the foreground only.
      if (run === this.foreground) run.waiting.add(reject)
      const goOn = (act: () => void): void => {
        run.waiting.delete(reject)
        within(this, run, act)
      }
      Promise.resolve(value).then(
        (result) => goOn(() => resolve(result)),
        (error: unknown) => goOn(() => reject(error as Error)),
      )
    })
  }

  readonly iterate = (iterable: AsyncIterable<unknown> & Iterable<unknown>): AsyncIterable<unknown> => {
    const asynchronous = iterable[Symbol.asyncIterator]?.()
    const source = asynchronous ?? iterable[Symbol.iterator]()
    const settle = async (result: unknown): Promise<IteratorResult<unknown>> => {
      const { done, value } = (await this.wait(result)) as IteratorResult<unknown>
      return { done: done ?? false, value: asynchronous || done ? value : await this.wait(value) } as never
    }
    const close = source.return && (async (value: unknown) => settle(await source.return!(value)))
    const iterator = { next: async () => settle(source.next()), ...(close && { return: close }) }
    return { [Symbol.asyncIterator]: () => iterator }
  }

  /**
   * An interrupt that arrived as a message. True if somebody listens (training, by SIGINT or by the signal) and
   * may end the cell in its own time; a second interrupt ends it at once.
   */
  arrive(runId: number, sequence: number): boolean {
    Atomics.store(this.flags, slots.interrupt, 0)
    const run = this.foreground
    if (run?.id !== runId) return false
    if (this.handled >= sequence) return false
    const patient = this.announce()
    const again = this.patientFor === runId
    this.patientFor = patient ? runId : undefined
    this.handled = sequence
    if (patient && !again) return true
    run.interrupt()
    return false
  }

  /** The kernel has given the cell up: whatever of it still runs ends at its next loop, await or timer. */
  abandon(runId: number): void {
    Atomics.store(this.flags, slots.interrupt, 0)
    const run = this.foreground
    if (run?.id !== runId) return
    run.abandoned = true
    run.interrupt()
    this.foreground = this.current = undefined
  }

  private raise(): void {
    // The flag stays: it is for the foreground too.
    if (this.current?.isBeside) throw new KeyboardInterrupt()
    const run = this.foreground
    if (!run || this.current !== run) return
    this.handled = Atomics.exchange(this.flags, slots.interrupt, 0)
    this.announce()
    // The loop may be in a callback: the cell's own awaits end as well.
    run.interrupt()
    throw new KeyboardInterrupt()
  }

  private announce(): boolean {
    Atomics.store(this.flags, slots.interrupt, 0)
    const { controller } = this
    this.controller = new AbortController()
    const heard =
      process.listenerCount('SIGINT') > 0 || getEventListeners(controller.signal, 'abort').length > 0
    controller.abort(new KeyboardInterrupt())
    process.emit('SIGINT')
    return heard
  }
}

function isThenable(value: unknown): boolean {
  return typeof (value as { then?: unknown } | undefined | null)?.then === 'function'
}
