import { join } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { InputReply } from './input'
import type { Inspector } from './inspector'
import {
  slots,
  type CommMessage,
  type FromRunner,
  type RunEvent,
  type RunOutcome,
  type RunRequest,
  type ToRunner,
} from './messages'

/** What the kernel asks of the thread that runs cells. */
export interface Runner {
  onEvent: (event: RunEvent) => void
  /** Resolves when the cell is over, also when an interrupt has given it up. */
  run(request: RunRequest): Promise<RunOutcome>
  /** A subshell's cell: begins at once, also while another cell never rests. */
  live(request: RunRequest): Promise<RunOutcome>
  /** A frontend's comm message; resolves when the cells' handlers have ended. */
  comm(message: CommMessage): Promise<void>
  interrupt(): void
  answerInput(value: string): void
}

/**
 * Milliseconds: for an answer to the cooperative interrupt, for the cell to end after it, while training stops; for a
 * subshell's cell to begin, and to end where it broke in; for a watch to look.
 */
const patience = { answer: 150, ending: 1000, training: 30_000, turn: 50, breakIn: 10_000, look: 1000 }

const failed = (ename: string, evalue: string): RunOutcome => ({
  error: { ename, evalue, traceback: [`${ename}: ${evalue}`] },
  userExpressions: {},
})
const interrupted = failed('KeyboardInterrupt', 'the cell was interrupted')

export class RunnerThread implements Runner {
  onEvent: (event: RunEvent) => void = () => {}
  /** The thread is gone: `process.exit` in a cell, or out of memory. */
  onExit: (code: number) => void = () => {}
  private readonly flags = new Int32Array(new SharedArrayBuffer(8))
  private readonly channel = new MessageChannel()
  private readonly worker: Worker
  /** Runs beside the foreground's: subshells' cells, comm messages. */
  private readonly others = new Map<number, (outcome: RunOutcome) => void>()
  /** Subshells' cells of which the thread has not said that they run. */
  private readonly beginning = new Map<number, NodeJS.Timeout>()
  private readonly watches = new Map<number, NodeJS.Timeout>()
  private running: { id: number; settle: (outcome: RunOutcome) => void } | undefined
  private sequence = 0
  private answered = 0
  /** The run that the last interrupt was for. */
  private target: number | undefined
  private asking = false
  private deadline: NodeJS.Timeout | undefined

  constructor(private readonly inspector: Inspector) {
    this.worker = new Worker(join(__dirname, 'worker.js'), {
      workerData: { flags: this.flags, replies: this.channel.port2 },
      transferList: [this.channel.port2],
    })
    this.worker.on('message', (message: FromRunner) => this.receive(message))
    this.worker.on('error', (error) => process.stderr.write(`[kernel] cells' thread: ${String(error)}\n`))
    this.worker.on('exit', (code) => {
      const outcome = failed('Exit', `the cells' thread ended with ${code}`)
      this.settle(outcome)
      for (const settle of this.others.values()) settle(outcome)
      this.others.clear()
      this.onExit(code)
    })
  }

  run(request: RunRequest): Promise<RunOutcome> {
    return new Promise((settle) => {
      this.running = { id: request.id, settle }
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

  /** The thread does not come to its messages: the cell begins in the middle of what runs. Nothing could end it there but V8. */
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

  /** Calls a function of the thread, also in the middle of what runs there; false if it took too long and was ended. */
  private async call(call: string, timeout: number): Promise<boolean> {
    // The name is one that stacks leave out.
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
    const sequence = ++this.sequence
    this.target = this.running?.id
    if (this.running || this.others.size > 0) Atomics.store(this.flags, slots.interrupt, sequence)
    this.post({ type: 'interrupt', run: this.running?.id ?? 0, sequence })
    this.reply({ interrupted: true })
    this.after(patience.answer, () => {
      if (this.answered < sequence) this.terminate()
    })
  }

  answerInput(value: string): void {
    this.reply({ value })
  }

  /** Wakes a waiting `prompt`; when none waits, nothing may be left for the next one. */
  private reply(reply: InputReply): void {
    if (!this.asking) return
    this.asking = false
    this.channel.port1.postMessage(reply)
    Atomics.store(this.flags, slots.input, 1)
    Atomics.notify(this.flags, slots.input)
  }

  /** Ends whatever JavaScript runs in the thread, again and again until it answers; the thread's state stays. */
  private terminate(): void {
    const sequence = this.sequence
    this.inspector.post('Runtime.terminateExecution').catch(() => {})
    // An idle thread would end the next message's handler instead: this one may be lost.
    this.post({ type: 'ping', sequence })
    this.post({ type: 'ping', sequence })
    this.after(patience.answer, () => this.terminate())
  }

  private abandon(): void {
    if (!this.running || this.running.id !== this.target) return
    this.post({ type: 'abandon', run: this.running.id })
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
        this.answered = Math.max(this.answered, message.sequence)
        clearTimeout(this.deadline)
        return this.abandon()
      case 'interrupted':
        this.answered = Math.max(this.answered, message.sequence)
        this.after(message.patient ? patience.training : patience.ending, () => this.abandon())
        return
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
    clearTimeout(this.deadline)
    running?.settle(outcome)
  }

  private after(milliseconds: number, act: () => void): void {
    clearTimeout(this.deadline)
    this.deadline = setTimeout(act, milliseconds)
  }

  private post(message: ToRunner): void {
    this.worker.postMessage(message)
  }
}
