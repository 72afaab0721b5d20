/** The thread that runs the cells. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { withoutAsyncChecks } from './async-hooks'
import { Comms } from './comms'
import { displayHook, hookName, signalName, tslabApi } from './display'
import { Executor } from './executor'
import { createCollected } from './heap'
import { Input } from './input'
import { createInteract } from './interact'
import { Interrupts, KeyboardInterrupt, Run } from './interrupt'
import {
  slots,
  type CommMessage,
  type FromRunner,
  type RunOutcome,
  type RunRequest,
  type ToRunner,
} from './messages'
import { createNpm } from './npm'
import type { kernelGlobals } from './parameters'
import { ownTimers } from './timers'
import { Watches } from './watch'

const { flags, replies } = workerData as { flags: Int32Array; replies: MessagePort }
const post = (message: FromRunner): void => parentPort!.postMessage(message)
const interrupts = new Interrupts(flags, (sequence) => post({ type: 'moved', sequence }))
let allowStdin = false
let last = 0
const run = (): number => interrupts.current?.id ?? last

for (const name of ['stdout', 'stderr'] as const) {
  process[name].write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
    post({
      type: 'stream',
      run: run(),
      name,
      text: typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString(),
    })
    const written = rest.find((value) => typeof value === 'function') as (() => void) | undefined
    if (written) process.nextTick(written)
    return true
  }) as typeof process.stdout.write
}

const show = (data: Record<string, string>, id: string | undefined, update: boolean): void =>
  post({ type: 'display', run: run(), data, id, update })
const clear = (wait: boolean): void => post({ type: 'clear', run: run(), wait })
const input = new Input(flags, replies, (prompt) =>
  post({ type: 'input', run: run(), prompt, password: false }),
)
const executor = new Executor({
  folder: process.cwd(),
  interrupts,
  tslab: tslabApi(show),
  onResult: (data) => post({ type: 'result', run: run(), data }),
})
Error.prepareStackTrace = (error, sites) => executor.failures.stack(error, sites)
const prompt = (message = '', fallback?: string): string =>
  input.prompt(String(message), fallback, allowStdin && !interrupts.current?.isBeside)
const comms = new Comms((message) => post({ type: 'comm', run: run(), message: { ...message, run: run() } }))
const watches = new Watches({ show, poll: (watch, every) => post({ type: 'watch', watch, every }) })
const kernel = { comms: comms.registry, Comm: comms.Comm, watch: watches.watch }
// As if an earlier cell had declared them.
const npm = createNpm(process.cwd(), interrupts)
const interact = createInteract(comms.open, show)
const clear_output = ({ wait = false }: { wait?: boolean } = {}): void => clear(wait)
const given: Record<(typeof kernelGlobals)[number], unknown> = { prompt, clear_output, interact, kernel, npm }
Object.assign(executor.exports, given)

Object.defineProperties(globalThis, {
  ...Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, { value, writable: true, configurable: true }]),
  ),
  [Symbol.for(hookName)]: { value: displayHook(show, clear, comms.registry) },
  [Symbol.for(signalName)]: { get: () => interrupts.signal },
})
ownTimers(interrupts)
withoutAsyncChecks()

const tell = (thrown: unknown): void => {
  if (thrown instanceof KeyboardInterrupt) return
  process.stderr.write(executor.failures.describe(thrown).traceback.join('\n') + '\n')
}
process.on('uncaughtException', tell)
process.on('unhandledRejection', (reason) => {
  if (!executor.rejected(reason)) tell(reason)
})

// Threads receive no signals: the main thread passes SIGTERM on if something listens to it.
const count = (step: number) => (name: string | symbol) => {
  if (name === 'SIGTERM') Atomics.add(flags, slots.ending, step)
}
process.on('newListener', count(1))
process.on('removeListener', count(-1))

const done = (run: number, outcome: RunOutcome): void => post({ type: 'done', run, outcome })

const begun = new Set<number>()
/**
 * The run that interrupted another one through the inspector, and that other one; still set if it was
 * terminated.
 */
let breakIn: { id: number; from: Run | undefined } | undefined

function breakingIn(id: number, act: () => void): void {
  const outer = breakIn
  breakIn = { id, from: interrupts.current }
  act()
  breakIn = outer
}

/** Called by a message, or by the inspector while this thread is busy and reads no messages. */
function live(request: RunRequest): void {
  if (begun.has(request.id)) return
  begun.add(request.id)
  post({ type: 'began', run: request.id })
  breakingIn(request.id, () => executor.runBeside(request, (outcome) => done(request.id, outcome)))
}

function look(watch: number): void {
  breakingIn(0, () => interrupts.as(new Run(run(), true), () => watches.look(watch)))
}

function settleTerminated(): void {
  if (!breakIn) return
  const { id, from } = breakIn
  breakIn = undefined
  interrupts.current = from
  done(id, { error: executor.failures.describe(new KeyboardInterrupt()), userExpressions: {} })
}

Object.assign((globalThis as unknown as { __tslab__: object }).__tslab__, {
  live,
  look,
  settleTerminated,
  collected: createCollected(),
})

async function receiveComm(message: CommMessage): Promise<void> {
  const run = new Run(message.run, true)
  try {
    await interrupts.as(run, () => comms.receive(message))
  } catch (error) {
    interrupts.as(run, () => tell(error))
  }
  done(message.run, { userExpressions: {} })
}

parentPort!.on('message', (message: ToRunner) => {
  settleTerminated()
  switch (message.type) {
    case 'run':
      last = message.request.id
      allowStdin = message.request.allowStdin
      void executor.run(message.request).then((outcome) => done(message.request.id, outcome))
      return
    case 'interrupt': {
      const stopping = interrupts.arrive(message.run, message.sequence)
      return post({ type: 'interrupted', sequence: message.sequence, stopping })
    }
    case 'terminate':
      return void process.emit('SIGTERM', 'SIGTERM')
    case 'abandon':
      return interrupts.abandon(message.run)
    case 'live':
      return live(message.request)
    case 'comm':
      void receiveComm(message.message)
      return
    case 'ping':
      return post({ type: 'pong', sequence: message.sequence })
  }
})
