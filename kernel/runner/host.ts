/**
 * The process that runs the cells, started by `process.ts`. Its main thread never runs a cell: it passes the
 * kernel's requests to the thread that does. V8 or native code can abort this process; the kernel's own process
 * then reports it.
 */
import { RunnerThread } from './thread'
import { WorkerInspector } from './inspector'
import { savingTime, type FromHost, type RunOutcome, type ToHost } from './messages'
import { Streams } from './streams'

const inspector = new WorkerInspector('runner/worker.js')
const runner = new RunnerThread(inspector)
const streams = new Streams((run, name, text) =>
  post({ type: 'event', event: { type: 'stream', run, name, text } }),
)

function post(message: FromHost, sent?: () => void): void {
  if (process.connected) process.send!(message, undefined, undefined, sent)
  else sent?.()
}

function send(message: FromHost, sent?: () => void): void {
  streams.flush()
  post(message, sent)
}

runner.onEvent = (event) => {
  if (event.type === 'stream') streams.write(event.run, event.name, event.text)
  else send({ type: 'event', event })
}
runner.onExit = (reason, code) =>
  // A thread with a full heap is busy, and `process.exit` would wait for it.
  send({ type: 'ended', reason, code }, () => process.kill(process.pid, 'SIGKILL'))

/** The process was asked to end; the running cell saves its work. */
let ending = false

const over = (run: number) => (outcome: RunOutcome) => send({ type: 'over', run, outcome })
const overLast = (run: number) => (outcome: RunOutcome) =>
  send({ type: 'over', run, outcome }, () => ending && process.exit())

function receive(message: ToHost): void {
  switch (message.type) {
    case 'run':
      return void runner.run(message.request).then(overLast(message.request.id))
    case 'live':
      return void runner.live(message.request).then(over(message.request.id))
    case 'comm':
      return void runner.comm(message.message).then(() => over(message.message.run)({ userExpressions: {} }))
    case 'interrupt':
      return runner.interrupt()
    case 'input':
      return runner.answerInput(message.value)
    case 'listen':
      return inspector.on(message.event, (params) => send({ type: 'heard', event: message.event, params }))
    case 'inspect': {
      const { id, method, params } = message
      const failed = (error: Error): void => send({ type: 'inspected', id, error: error.message })
      return void inspector
        .post(method, params)
        .then((result) => send({ type: 'inspected', id, result }), failed)
    }
  }
}

process.on('message', receive)
/**
 * Ends the process with `signal`; if the running cell's work listens to it, after that. Jupyter signals both
 * processes, more than once.
 */
function end(signal: NodeJS.Signals): void {
  if (ending) return
  ending = runner.terminate()
  const kill = (): void => {
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  }
  if (!ending) return kill()
  // The kernel's own time limit ends with the kernel, which Jupyter kills after 5 s.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), savingTime)
}

for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(signal))
// The kernel has ended. A busy thread would delay `process.exit`.
process.on('disconnect', () => end('SIGKILL'))
// A terminal sends Ctrl-C to both processes; the kernel passes it on.
process.on('SIGINT', () => {})
send({ type: 'ready', heapLimit: runner.heapLimit })
