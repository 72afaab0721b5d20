/** The thread that runs the cells. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { displayHook, hookName, signalName, tslabApi } from './display'
import { Executor } from './executor'
import { Input } from './input'
import { Interrupts, KeyboardInterrupt } from './interrupt'
import type { FromRunner, ToRunner } from './messages'
import { ownTimers } from './timers'

const { flags, replies } = workerData as { flags: Int32Array; replies: MessagePort }
const post = (message: FromRunner): void => parentPort!.postMessage(message)
const interrupts = new Interrupts(flags)
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
const prompt = (message = '', fallback?: string): string =>
  input.prompt(String(message), fallback, allowStdin)
executor.exports.prompt = prompt

Object.defineProperties(globalThis, {
  prompt: { value: prompt, writable: true, configurable: true },
  [Symbol.for(hookName)]: { value: displayHook(show, clear) },
  [Symbol.for(signalName)]: { get: () => interrupts.signal },
})
ownTimers(interrupts)

const tell = (thrown: unknown): void => {
  if (thrown instanceof KeyboardInterrupt) return
  process.stderr.write(executor.failures.describe(thrown).traceback.join('\n') + '\n')
}
process.on('uncaughtException', tell)
process.on('unhandledRejection', (reason) => {
  if (!executor.rejected(reason)) tell(reason)
})

parentPort!.on('message', (message: ToRunner) => {
  switch (message.type) {
    case 'run':
      last = message.request.id
      allowStdin = message.request.allowStdin
      void executor
        .run(message.request)
        .then((outcome) => post({ type: 'done', run: message.request.id, outcome }))
      return
    case 'interrupt': {
      const patient = interrupts.arrive(message.run, message.sequence)
      return post({ type: 'interrupted', sequence: message.sequence, patient })
    }
    case 'abandon':
      return interrupts.abandon(message.run)
    case 'ping':
      return post({ type: 'pong', sequence: message.sequence })
  }
})
