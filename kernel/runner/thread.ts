import { join } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import { MessageChannel, Worker } from 'node:worker_threads'
import { signalChildren } from './children'
import { hardLimit, heapLimitFor, HeapWatch } from './heap'
import type { InputReply } from './input'
import type { Inspector } from './inspector'
import { Interruption } from './interruption'
import {
  slots,
  type CommMessage,
  type EndReason,
  type FromRunner,
  type RunEvent,
  type RunOutcome,
  type RunRequest,
  type ToRunner,
} from './messages'
import type { Runner } from './process'

/**
 * Milliseconds: for a subshell's cell to start; for it to end where it broke in; for a watch to run its
 * function.
 */
const patience = { turn: 50, breakIn: 10_000, look: 1000 }

const failed = (ename: string, evalue: string): RunOutcome => ({
  error: { ename, evalue, traceback: [`${ename}: ${evalue}`] },
  userExpressions: {},
})
const interrupted = failed('KeyboardInterrupt', 'the cell was interrupted')

/** The thread that runs the cells, as seen by the main thread of its process. */
export class RunnerThread implements Runner {
  onEvent: (event: RunEvent) => void = () => {}
  /** The thread is gone, or its heap is full and the process has to end; what it was asked stays unanswered. */
  onExit: (reason: EndReason, code: number) => void = () => {}
  /** The limit of the thread's heap in MB. */
  readonly heapLimit: number = heapLimitFor(
    Math.floor(getHeapStatistics().heap_size_limit / 2 ** 20),
    [process.env['NODE_OPTIONS'] ?? '', ...process.execArgv].join(' '),
  )
  private readonly flags = new Int32Array(new SharedArrayBuffer(12))
  private readonly channel = new MessageChannel()
  private readonly worker: Worker
  /** Runs beside the foreground: subshells' cells and comm messages. */
  private readonly others = new Map<number, (outcome: RunOutcome) => void>()
  /** Subshells' cells that the thread has not started yet. */
  private readonly beginning = new Map<number, NodeJS.Timeout>()
  private readonly watches = new Map<number, NodeJS.Timeout>()
  /** `since`: in milliseconds of `performance.now`. */
  private running: { id: number; since: number; settle: (outcome: RunOutcome) => void } | undefined
  private asking = false
  private readonly heap: HeapWatch
  private readonly interruption = new Interruption({
    flag: (sequence) => {
      if (this.running || this.others.size > 0) Atomics.store(this.flags, slots.interrupt, sequence)
    },
    post: (message) => this.post(message),
    terminate: () => void this.inspector.post('Runtime.terminateExecution').catch(() => {}),
    signalChildren: (signal) => {
      if (this.running) void signalChildren(signal, (performance.now() - this.running.since) / 1000)
    },
    giveUp: (run) => this.giveUp(run),
  })

  constructor(private readonly inspector: Inspector) {
    this.worker = new Worker(join(__dirname, 'worker.js'), {
      workerData: { flags: this.flags, replies: this.channel.port2 },
      transferList: [this.channel.port2],
      resourceLimits: { maxOldGenerationSizeMb: hardLimit(this.heapLimit) },
    })
    let reason: EndReason = 'exit'
    this.worker.on('message', (message: FromRunner) => this.receive(message))
    this.worker.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') reason = 'memory'
      else process.stderr.write(`[kernel] cells' thread: ${String(error)}\n`)
    })
    this.worker.on('exit', (code) => this.onExit(reason, code))
    this.heap = new HeapWatch(inspector, this.heapLimit, () => this.onExit('memory', 1))
  }

  run(request: RunRequest): Promise<RunOutcome> {
    // An interrupt that came before is not meant for this cell.
    this.interruption.end()
    return new Promise((settle) => {
      this.running = { id: request.id, since: performance.now(), settle }
      this.heap.start()
      this.post({ type: 'run', request })
    })
  }

  live(request: RunRequest): Promise<RunOutcome> {
    return new Promise((settle) => {
      this.others.set(request.id, settle)
      this.post({ type: 'live', request })
      const timer = setTimeout(() => this.breakIn(request), patience.turn)
      this.beginning.set(request.id, timer)
    })
  }

  /**
   * The thread does not read its messages: the cell starts in the middle of what is running. There, only V8
   * could end it.
   */
  private breakIn(request: RunRequest): void {
    this.began(request.id)
    const timeout = patience.breakIn
    const end = (): void => {
      const settle = this.others.get(request.id)
      this.others.delete(request.id)
      settle?.(failed('Timeout', `ended after ${timeout / 1000} s, for it ran in the middle of another cell`))
    }
    this.call(`live(${JSON.stringify(request)})`, timeout).then((ended) => ended || end(), end)
  }

  /**
   * Calls a function in the thread, even in the middle of what is running; returns false if it took too long
   * and was ended.
   */
  private async call(call: string, timeout: number): Promise<boolean> {
    // A name that stacks omit.
    const evaluate = (text: string): object => ({
      expression: `globalThis.__tslab__.${text}\n//# sourceURL=node:kernel`,
    })
    const { exceptionDetails } = await this.inspector.post<{ exceptionDetails?: unknown }>(
      'Runtime.evaluate',
      { ...evaluate(call), timeout },
    )
    if (exceptionDetails) await this.inspector.post('Runtime.evaluate', evaluate('settleTerminated()'))
    return !exceptionDetails
  }

  private poll(watch: number, every: number | undefined): void {
    clearInterval(this.watches.get(watch))
    this.watches.delete(watch)
    if (every === undefined) return
    let waiting = false
    const timer = setInterval(() => {
      if (waiting) return
      waiting = true
      const rest = (): void => void (waiting = false)
      this.call(`look(${watch})`, patience.look).then(rest, rest)
    }, every * 1000)
    this.watches.set(watch, timer)
  }

  private began(run: number): void {
    clearTimeout(this.beginning.get(run))
    this.beginning.delete(run)
  }

  comm(message: CommMessage): Promise<void> {
    return new Promise((settle) => {
      this.others.set(message.run, () => settle())
      this.post({ type: 'comm', message })
    })
  }

  interrupt(): void {
    this.interruption.begin(this.running?.id ?? 0)
    this.reply({ interrupted: true })
  }

  /**
   * The process has to end: returns true if the cell's work, such as training, listens to SIGTERM and is saving
   * now.
   */
  terminate(): boolean {
    if (!this.running || Atomics.load(this.flags, slots.ending) === 0) return false
    this.post({ type: 'terminate' })
    return true
  }

  answerInput(value: string): void {
    this.reply({ value })
  }

  /** Wakes a waiting `prompt`; if none is waiting, the reply must not be left for the next one. */
  private reply(reply: InputReply): void {
    if (!this.asking) return
    this.asking = false
    this.channel.port1.postMessage(reply)
    Atomics.store(this.flags, slots.input, 1)
    Atomics.notify(this.flags, slots.input)
  }

  private giveUp(run: number): void {
    if (this.running?.id !== run) return
    this.post({ type: 'abandon', run })
    this.settle(interrupted)
  }

  private receive(message: FromRunner): void {
    switch (message.type) {
      case 'done':
        if (message.run === this.running?.id) return this.settle(message.outcome)
        this.others.get(message.run)?.(message.outcome)
        this.others.delete(message.run)
        return
      case 'began':
        return this.began(message.run)
      case 'watch':
        return this.poll(message.watch, message.every)
      case 'pong':
        return this.interruption.pong(message.sequence)
      case 'interrupted':
        return this.interruption.answered(message.sequence, message.stopping)
      case 'moved':
        return this.interruption.moved(message.sequence)
      case 'input':
        this.asking = true
        return this.onEvent(message)
      default:
        return this.onEvent(message)
    }
  }

  private settle(outcome: RunOutcome): void {
    const { running } = this
    this.running = undefined
    this.heap.stop()
    this.interruption.end()
    running?.settle(outcome)
  }

  private post(message: ToRunner): void {
    this.worker.postMessage(message)
  }
}
