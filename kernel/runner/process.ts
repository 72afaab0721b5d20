import { fork, type ChildProcess } from 'node:child_process'
import { basename, join } from 'node:path'
import { causeOf, failureOf, type Death } from './death'
import { kernelIdVariable } from './display'
import type { Inspector } from './inspector'
import {
  savingTime,
  type CommMessage,
  type FromHost,
  type RunEvent,
  type RunOutcome,
  type RunRequest,
  type ToHost,
} from './messages'

/** What the kernel needs from whatever runs the cells. */
export interface Runner {
  onEvent: (event: RunEvent) => void
  /** Resolves when the cell has ended, or an interrupt has given it up. */
  run(request: RunRequest): Promise<RunOutcome>
  /** A subshell's cell: it starts at once, even if another cell never becomes idle. */
  live(request: RunRequest): Promise<RunOutcome>
  /** A frontend's comm message; resolves when the cells' handlers have ended. */
  comm(message: CommMessage): Promise<void>
  interrupt(): void
  answerInput(value: string): void
}

interface Asked {
  resolve(result: unknown): void
  reject(error: Error): void
}

/** Milliseconds to wait for the last output of a dead process. */
const lastWords = 100
const keptWords = 8000

/** The process that runs the cells (`host.ts`); it is restarted when it dies. */
export class RunnerProcess implements Runner, Inspector {
  onEvent: (event: RunEvent) => void = () => {}
  /** Called after `process.exit` in a cell, or if the process cannot be started. */
  onExit: (code: number) => void = () => {}
  /** Called when the process died and a new one was started: the cells' declarations are lost. */
  onRestart: () => void = () => {}
  private child: ChildProcess
  private ended: Extract<FromHost, { type: 'ended' }> | undefined
  private words = ''
  private heapLimit: number | undefined
  /** The error to report to the next cell, if none was running when the process died. */
  private untold: RunOutcome | undefined
  private closing: Promise<void> | undefined
  private readonly waiting = new Map<number, (outcome: RunOutcome) => void>()
  private readonly asked = new Map<number, Asked>()
  private readonly listeners = new Map<string, ((params: never) => void)[]>()
  private sequence = 0

  constructor() {
    this.child = this.start()
  }

  run(request: RunRequest): Promise<RunOutcome> {
    const { untold } = this
    this.untold = undefined
    return untold ? Promise.resolve(untold) : this.begin(request.id, { type: 'run', request })
  }

  live(request: RunRequest): Promise<RunOutcome> {
    return this.begin(request.id, { type: 'live', request })
  }

  async comm(message: CommMessage): Promise<void> {
    await this.begin(message.run, { type: 'comm', message })
  }

  interrupt(): void {
    this.send({ type: 'interrupt' })
  }

  answerInput(value: string): void {
    this.send({ type: 'input', value })
  }

  post<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.sequence
    return new Promise<T>((resolve, reject) => {
      this.asked.set(id, { resolve: resolve as (result: unknown) => void, reject })
      this.send({ type: 'inspect', id, method, params })
    })
  }

  on<T>(event: string, listener: (params: T) => void): void {
    const known = this.listeners.get(event)
    this.listeners.set(event, [...(known ?? []), listener])
    if (!known) this.send({ type: 'listen', event })
  }

  /** Ends the process; work of a cell that listens to SIGTERM, such as training, can save first. */
  close(): Promise<void> {
    const { child } = this
    this.closing ??= new Promise((ended) => {
      if (child.exitCode !== null || child.signalCode !== null) return ended()
      child.once('exit', () => ended())
      child.kill('SIGTERM')
      setTimeout(() => {
        child.kill('SIGKILL')
        ended()
      }, savingTime)
    })
    return this.closing
  }

  private begin(run: number, message: ToHost): Promise<RunOutcome> {
    return new Promise((settle) => {
      this.waiting.set(run, settle)
      this.send(message)
    })
  }

  private start(): ChildProcess {
    const child = fork(join(__dirname, 'host.js'), {
      serialization: 'advanced',
      env: { ...process.env, [kernelIdVariable]: kernelId(process.argv[2]) },
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    this.ended = undefined
    this.heapLimit = undefined
    this.words = ''
    child.stderr!.on('data', (text: Buffer) => {
      this.words = (this.words + text.toString()).slice(-keptWords)
      process.stderr.write(text)
    })
    child.on('message', (message: FromHost) => this.receive(message))
    child.on('error', (error) => process.stderr.write(`[kernel] cells' process: ${error.message}\n`))
    child.once('exit', (code, signal) => setTimeout(() => this.died({ code, signal }), lastWords))
    return child
  }

  /** A message to a process that has just died is answered by `died`. */
  private send(message: ToHost): void {
    if (this.child.connected) this.child.send(message, () => {})
  }

  private receive(message: FromHost): void {
    switch (message.type) {
      case 'ready':
        this.heapLimit = message.heapLimit
        return
      case 'event':
        return this.onEvent(message.event)
      case 'over':
        this.waiting.get(message.run)?.(message.outcome)
        this.waiting.delete(message.run)
        return
      case 'inspected': {
        const asked = this.asked.get(message.id)
        this.asked.delete(message.id)
        if (message.error === undefined) asked?.resolve(message.result)
        else asked?.reject(new Error(message.error))
        return
      }
      case 'heard':
        for (const listener of this.listeners.get(message.event) ?? []) listener(message.params as never)
        return
      case 'ended':
        this.ended = message
    }
  }

  private died(exit: { code: number | null; signal: string | null }): void {
    if (this.closing) return
    const { ended, words, heapLimit } = this
    const death: Death = { ...exit, ended, words, heapLimit }
    const outcome = failureOf(death)
    const wasRunning = this.waiting.size > 0
    const restarts = heapLimit !== undefined && ended?.reason !== 'exit'
    // The new process must exist before those who waited send requests.
    if (restarts) {
      this.child = this.start()
      for (const event of this.listeners.keys()) this.send({ type: 'listen', event })
      this.onRestart()
      if (!wasRunning) this.untold = outcome
    }
    process.stderr.write(`[kernel] ${causeOf(death)}${restarts ? '; started again' : ''}\n`)
    for (const settle of this.waiting.values()) settle(outcome)
    this.waiting.clear()
    for (const { reject } of this.asked.values()) reject(new Error("the cells' process has ended"))
    this.asked.clear()
    if (!restarts) this.onExit(ended?.code ?? 1)
  }
}

/** Jupyter's server names connection files `kernel-<id>.json`. */
function kernelId(connectionFile = ''): string {
  return /^kernel-(.+)\.json$/.exec(basename(connectionFile))?.[1] ?? ''
}
