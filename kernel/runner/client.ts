import { Session } from 'node:inspector'
import { join } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { InputReply } from './input'
import {
  slots,
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
  interrupt(): void
  answerInput(value: string): void
}

/** Milliseconds: for an answer to the cooperative interrupt, for the cell to end after it, while training stops. */
const patience = { answer: 150, ending: 1000, training: 30_000 }

const interrupted: RunOutcome = {
  error: {
    ename: 'KeyboardInterrupt',
    evalue: 'the cell was interrupted',
    traceback: ['KeyboardInterrupt: the cell was interrupted'],
  },
  userExpressions: {},
}

export class RunnerThread implements Runner {
  onEvent: (event: RunEvent) => void = () => {}
  /** The thread is gone: `process.exit` in a cell, or out of memory. */
  onExit: (code: number) => void = () => {}
  private readonly flags = new Int32Array(new SharedArrayBuffer(8))
  private readonly channel = new MessageChannel()
  private readonly worker: Worker
  private readonly inspector = new Session()
  private inspected: string | undefined
  private running: { id: number; settle: (outcome: RunOutcome) => void } | undefined
  private sequence = 0
  private answered = 0
  /** The run that the last interrupt was for. */
  private target: number | undefined
  private asking = false
  private deadline: NodeJS.Timeout | undefined

  constructor() {
    // Before the worker starts, or it is not told of.
    this.inspector.connect()
    this.inspector.on(
      'NodeWorker.attachedToWorker',
      (message: { params: { sessionId: string; workerInfo: { url: string } } }) => {
        if (message.params.workerInfo.url.endsWith('runner/worker.js'))
          this.inspected = message.params.sessionId
      },
    )
    this.inspector.post('NodeWorker.enable', { waitForDebuggerOnStart: false })
    this.worker = new Worker(join(__dirname, 'worker.js'), {
      workerData: { flags: this.flags, replies: this.channel.port2 },
      transferList: [this.channel.port2],
    })
    this.worker.on('message', (message: FromRunner) => this.receive(message))
    this.worker.on('error', (error) => process.stderr.write(`[kernel] cells' thread: ${String(error)}\n`))
    this.worker.on('exit', (code) => {
      const evalue = `the cells' thread ended with ${code}`
      this.settle({ error: { ename: 'Exit', evalue, traceback: [`Exit: ${evalue}`] }, userExpressions: {} })
      this.onExit(code)
    })
  }

  run(request: RunRequest): Promise<RunOutcome> {
    return new Promise((settle) => {
      this.running = { id: request.id, settle }
      this.post({ type: 'run', request })
    })
  }

  interrupt(): void {
    const sequence = ++this.sequence
    this.target = this.running?.id
    if (this.running) Atomics.store(this.flags, slots.interrupt, sequence)
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
    const message = JSON.stringify({ id: sequence, method: 'Runtime.terminateExecution' })
    if (this.inspected !== undefined) {
      this.inspector.post('NodeWorker.sendMessageToWorker', { sessionId: this.inspected, message })
    }
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
        if (message.run === this.running?.id) this.settle(message.outcome)
        return
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
