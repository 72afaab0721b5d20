import type { Compiler } from '../compiler/client'
import type { Content, Message } from '../protocol/message'
import type { Runner } from '../runner/client'
import type { Failure, RunEvent, RunOutcome } from '../runner/messages'
import type { History } from './history'
import { Streams } from './streams'

export interface ExecutionsOptions {
  compiler: Compiler
  runner: Runner
  history: History
  publish: (parent: Message, type: string, content: Content) => void
  reply: (parent: Message, content: Content) => void
  ask: (parent: Message, content: Content) => void
}

/** Late output still finds its cell among so many runs. */
const rememberedRuns = 2000

/** The cells: one at a time, in the order of their requests. */
export class Executions {
  private readonly queue: Message[] = []
  private readonly cells = new Map<number, { parent: Message; count: number }>()
  private readonly streams: Streams
  private running: Message | undefined
  private interrupted = false
  private count = 0
  private runs = 0

  constructor(private readonly options: ExecutionsOptions) {
    this.streams = new Streams(options.publish)
    options.runner.onEvent = (event) => this.forward(event)
  }

  add(request: Message): void {
    this.queue.push(request)
    void this.drain()
  }

  /** Ends the running cell; while it is still being compiled, it will not run. */
  interrupt(): void {
    this.interrupted = true
    this.options.runner.interrupt()
  }

  restateBusy(): void {
    if (this.running) this.publish(this.running, 'status', { execution_state: 'busy' })
  }

  private async drain(): Promise<void> {
    if (this.running) return
    for (let request = this.queue.shift(); request; request = this.queue.shift()) {
      this.running = request
      this.publish(request, 'status', { execution_state: 'busy' })
      const failed = await this.execute(request)
      this.running = undefined
      this.publish(request, 'status', { execution_state: 'idle' })
      if (failed && request.content.stop_on_error !== false) await this.abortQueued()
    }
  }

  /** Cells sent together with the failed one; a turn of the event loop lets those in the sockets come in. */
  private async abortQueued(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    for (const request of this.queue.splice(0)) {
      this.publish(request, 'status', { execution_state: 'busy' })
      this.options.reply(request, { status: 'aborted', execution_count: this.count })
      this.publish(request, 'status', { execution_state: 'idle' })
    }
  }

  /** True if the cell failed. */
  private async execute(request: Message): Promise<boolean> {
    const code = typeof request.content.code === 'string' ? request.content.code : ''
    const silent = request.content.silent === true
    const stored = !silent && request.content.store_history !== false
    if (stored) {
      this.count++
      this.options.history.add(this.count, code)
    }
    const count = this.count
    if (!silent) this.publish(request, 'execute_input', { code, execution_count: count })
    const outcome = await this.run(request, code, silent)
    this.streams.flush()
    if (outcome.error) {
      if (!silent) this.publish(request, 'error', { ...outcome.error })
      this.options.reply(request, { status: 'error', execution_count: count, ...outcome.error })
      return true
    }
    const { userExpressions } = outcome
    this.options.reply(request, {
      status: 'ok',
      execution_count: count,
      user_expressions: userExpressions,
      payload: [],
    })
    return false
  }

  private async run(request: Message, code: string, silent: boolean): Promise<RunOutcome> {
    this.interrupted = false
    try {
      const compiled = await this.options.compiler.convert(code)
      if (!compiled.ok) return failure('TypeScriptError', compiled.message, compiled.diagnostics)
      if (this.interrupted) return failure('KeyboardInterrupt', 'the cell was interrupted before it ran')
      const id = ++this.runs
      this.cells.set(id, { parent: request, count: this.count })
      this.cells.delete(id - rememberedRuns)
      return await this.options.runner.run({
        id,
        cell: this.count,
        code: compiled.code,
        lines: compiled.lines,
        lastExpression: compiled.lastExpression,
        sideOutputs: compiled.sideOutputs,
        silent,
        userExpressions: (request.content.user_expressions ?? {}) as Record<string, string>,
        allowStdin: request.content.allow_stdin === true,
      })
    } catch (error) {
      const { name, message } = error as Error
      return failure(name, message)
    }
  }

  private forward(event: RunEvent): void {
    const cell = this.cells.get(event.run)
    if (!cell) return
    const { parent, count } = cell
    if (event.type === 'stream') return this.streams.write(parent, event.name, event.text)
    if (event.type === 'input') {
      this.streams.flush()
      return this.options.ask(parent, { prompt: event.prompt, password: event.password })
    }
    if (event.type === 'clear') return this.publish(parent, 'clear_output', { wait: event.wait })
    if (event.type === 'result') {
      this.options.history.setOutput(count, event.data['text/plain'] ?? '')
      return this.publish(parent, 'execute_result', {
        execution_count: count,
        data: event.data,
        metadata: {},
      })
    }
    const transient = event.id === undefined ? {} : { display_id: event.id }
    const type = event.update ? 'update_display_data' : 'display_data'
    this.publish(parent, type, { data: withParsedJson(event.data), metadata: {}, transient })
  }

  private publish(parent: Message, type: string, content: Content): void {
    this.streams.flush()
    this.options.publish(parent, type, content)
  }
}

function failure(ename: string, evalue: string, traceback = [`${ename}: ${evalue}`]): RunOutcome {
  const error: Failure = { ename, evalue, traceback }
  return { error, userExpressions: {} }
}

/** JSON types travel as JSON, not as text. */
function withParsedJson(data: Record<string, string>): Content {
  const parse = ([mime, content]: [string, string]): [string, unknown] => {
    if (!/(\/|\+)json$/.test(mime)) return [mime, content]
    try {
      return [mime, JSON.parse(content)]
    } catch {
      return [mime, content]
    }
  }
  return Object.fromEntries(Object.entries(data).map(parse))
}
