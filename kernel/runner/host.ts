/**
 * The process that runs the cells, started by `process.ts`. Its main thread never runs a cell: it passes the kernel's
 * requests to the thread that does. V8 or native code may abort this process; the kernel's own lives on and says so.
 */
import { RunnerThread } from './thread'
import { WorkerInspector } from './inspector'
import type { FromHost, RunOutcome, ToHost } from './messages'
import { Streams } from './streams'

const inspector = new WorkerInspector('runner/worker.js')
const runner = new RunnerThread(inspector)
const streams = new Streams((run, name, text) =>
  post({ type: 'event', event: { type: 'stream', run, name, text } }),
)

const post = (message: FromHost, sent?: () => void): void =>
  void process.send!(message, undefined, undefined, sent)

function send(message: FromHost, sent?: () => void): void {
  streams.flush()
  post(message, sent)
}

runner.onEvent = (event) => {
  if (event.type === 'stream') streams.write(event.run, event.name, event.text)
  else send({ type: 'event', event })
}
runner.onExit = (reason, code) => send({ type: 'ended', reason, code }, () => process.exit())

const over = (run: number) => (outcome: RunOutcome) => send({ type: 'over', run, outcome })

function receive(message: ToHost): void {
  switch (message.type) {
    case 'run':
      return void runner.run(message.request).then(over(message.request.id))
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
// The kernel is gone. A busy thread would delay `process.exit`.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
// A terminal sends Ctrl-C to both processes; the kernel's passes it on.
process.on('SIGINT', () => {})
send({ type: 'ready', heapLimit: runner.heapLimit })
