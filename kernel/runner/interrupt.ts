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
  /** Whether a file is one of the notebook's own, which cells import. */
  isHelper: (file: string) => boolean = () => false
  /** The run whose interrupt was heard by work that is stopping now, such as training. */
  private stopping: { run: Run; sequence: number; moved: boolean } | undefined

  /** @param onMove - called once when a cell goes on by itself while such work is stopping */
  constructor(
    private readonly flags: Int32Array,
    private readonly onMove: (sequence: number) => void = () => {},
  ) {}

  /** Aborted at each interrupt; the next one gets a new signal. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  /** A cell begins in the foreground. */
  start(run: Run): void {
    this.foreground = this.current = run
    this.stopping = undefined
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
    if (this.stopping) this.notice()
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
   * An interrupt that arrived as a message. True if somebody listens to SIGINT (training) and the cell may end in its own
   * time; a second interrupt ends it at once.
   */
  arrive(runId: number, sequence: number): boolean {
    Atomics.store(this.flags, slots.interrupt, 0)
    const run = this.foreground
    if (run?.id !== runId) return false
    if (this.handled >= sequence) return false
    this.handled = sequence
    if (this.announce(run)) {
      this.stopping = { run, sequence, moved: false }
      return true
    }
    run.interrupt()
    return false
  }

  /** The kernel has given the cell up: whatever of it still runs ends at its next loop, await or timer. */
  abandon(runId: number): void {
    Atomics.store(this.flags, slots.interrupt, 0)
    const run = this.foreground
    if (run?.id !== runId) return
    this.foreground = undefined
    // What follows the rejected awaits runs as this cell, where loops and awaits throw.
    within(this, run, () => run.interrupt(), 50)
    run.abandoned = true
  }

  private raise(): void {
    // The flag stays: it is for the foreground too.
    if (this.current?.isBeside) throw new KeyboardInterrupt()
    const run = this.foreground
    if (!run || this.current !== run) return
    this.handled = Atomics.exchange(this.flags, slots.interrupt, 0)
    this.announce(run)
    // The loop may be in a callback: the cell's own awaits end as well.
    run.interrupt()
    throw new KeyboardInterrupt()
  }

  /** Emits SIGINT and aborts the signal, once for each cell; true if there was a SIGINT listener, whose work now stops. */
  private announce(run: Run): boolean {
    if (this.stopping?.run === run) return false
    this.stopping = undefined
    const { controller } = this
    this.controller = new AbortController()
    const heard = process.listenerCount('SIGINT') > 0
    controller.abort(new KeyboardInterrupt())
    process.emit('SIGINT')
    return heard
  }

  /** Code of the cell runs after an interrupt that was left to others; what they call back, such as a trainer's callback, is theirs. */
  private notice(): void {
    const { stopping } = this
    if (!stopping || stopping.moved || this.current !== stopping.run || this.isCalledBack()) return
    stopping.moved = true
    this.onMove(stopping.sequence)
  }

  /** Whether a package has called the cells' code that runs now, directly or with awaits between. */
  private isCalledBack(): boolean {
    const { prepareStackTrace, stackTraceLimit } = Error
    try {
      Error.stackTraceLimit = 100
      Error.prepareStackTrace = (_error, sites) => sites
      const sites = new Error().stack as unknown as NodeJS.CallSite[]
      return sites.some((site) => this.isPackage(site.getFileName() ?? ''))
    } finally {
      Object.assign(Error, { prepareStackTrace, stackTraceLimit })
    }
  }

  private isPackage(file: string): boolean {
    const isOwn = file === '' || /^cell-\d+\.ts$/.test(file) || this.isHelper(file)
    return !isOwn && !file.startsWith('node:') && !file.startsWith(__dirname)
  }
}

function isThenable(value: unknown): boolean {
  return typeof (value as { then?: unknown } | undefined | null)?.then === 'function'
}
