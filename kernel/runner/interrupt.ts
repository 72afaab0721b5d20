import { slots } from './messages'
import { within } from './timers'

export class KeyboardInterrupt extends Error {
  override name = 'KeyboardInterrupt'

  constructor() {
    super('the cell was interrupted')
  }
}

/** The run of one cell, and what an interrupt must end in it. */
export class Run {
  readonly waiting = new Set<(error: Error) => void>()
  /** The kernel has given the cell up: its awaits and loops throw from now on, and its timers no longer fire. */
  abandoned = false

  constructor(
    readonly id: number,
    /** A run of a subshell or a comm handler: an interrupt ends its loops, but not its awaits. */
    readonly isBeside = false,
  ) {}

  interrupt(): void {
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const reject of waiting) reject(new KeyboardInterrupt())
  }
}

/** The cooperative half of an interrupt, which the cells' rewritten awaits and loops call. */
export class Interrupts {
  /** The run whose code is executing now, for outputs; `foreground` is the cell that the kernel waits for. */
  current: Run | undefined
  foreground: Run | undefined
  /** Number of the last interrupt for which a loop or an await has thrown. */
  private handled = 0
  private controller = new AbortController()
  /** Whether a file is one of the notebook's own, which cells import. */
  isHelper: (file: string) => boolean = () => false
  /** The run whose interrupt was received by work that is stopping now, such as training. */
  private stopping: { run: Run; sequence: number; moved: boolean } | undefined

  /** @param onMove - called once if a cell continues by itself while such work is stopping */
  constructor(
    private readonly flags: Int32Array,
    private readonly onMove: (sequence: number) => void = () => {},
  ) {}

  /** Aborted at each interrupt; the next cell gets a new signal. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  /** A cell starts in the foreground. */
  start(run: Run): void {
    this.foreground = this.current = run
    this.stopping = undefined
  }

  /** Outputs of `act`, until its first await, belong to `run`. */
  as<T>(run: Run, act: () => T): T {
    const before = this.current
    this.current = run
    try {
      return act()
    } finally {
      this.current = before
    }
  }

  /** Throws in the interrupted cell. It reads shared memory, so it works even if this thread never becomes idle. */
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
      // An interrupt ends only the awaits of the foreground.
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
   * Handles an interrupt that arrived as a message. Returns true if something listens to SIGINT (training), so
   * that the cell may end in its own time; a second interrupt ends it at once.
   */
  arrive(runId: number, sequence: number): boolean {
    Atomics.store(this.flags, slots.interrupt, 0)
    const run = this.foreground
    // No cell runs: what a comm's handler does, such as an answer for a panel, may listen.
    if (!run && runId === 0) return this.signalAll()
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

  /** The kernel has given the cell up: whatever still runs ends at its next loop, await or timer. */
  abandon(runId: number): void {
    Atomics.store(this.flags, slots.interrupt, 0)
    const run = this.foreground
    if (run?.id !== runId) return
    this.foreground = undefined
    // What follows the rejected awaits runs as this cell, whose loops and awaits throw.
    within(this, run, () => run.interrupt(), 50)
    run.abandoned = true
  }

  private raise(): void {
    // The flag stays, since it is also for the foreground.
    if (this.current?.isBeside) throw new KeyboardInterrupt()
    const run = this.foreground
    if (!run || this.current !== run) return
    this.handled = Atomics.exchange(this.flags, slots.interrupt, 0)
    this.announce(run)
    // The loop may be in a callback, so the cell's own awaits are ended too.
    run.interrupt()
    throw new KeyboardInterrupt()
  }

  /**
   * Emits SIGINT and aborts the signal, once per cell; returns whether there was a SIGINT listener, whose work
   * now stops.
   */
  private announce(run: Run): boolean {
    if (this.stopping?.run === run) return false
    this.stopping = undefined
    return this.signalAll()
  }

  /** True if somebody listens. */
  private signalAll(): boolean {
    const { controller } = this
    this.controller = new AbortController()
    const heard = process.listenerCount('SIGINT') > 0
    controller.abort(new KeyboardInterrupt())
    process.emit('SIGINT')
    return heard
  }

  /**
   * The cell's code is running after an interrupt that was left to other work. Callbacks from that work, such
   * as a trainer's, belong to it and do not count.
   */
  private notice(): void {
    const { stopping } = this
    if (!stopping || stopping.moved || this.current !== stopping.run || this.isCalledBack()) return
    stopping.moved = true
    this.onMove(stopping.sequence)
  }

  /** Whether a package has called the cell's code that runs now, directly or with awaits between. */
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
