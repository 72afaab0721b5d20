import { randomUUID } from 'node:crypto'
import type { Compiler } from '../compiler/client'
import type { Content, Message } from '../protocol/message'
import type { Runner } from '../runner/process'
import {
  cellUrl,
  type CommKind,
  type Failure,
  type RunEvent,
  type RunOutcome,
  type RunRequest,
} from '../runner/messages'
import type { History } from './history'

export type Publish = (
  parent: Message,
  type: string,
  content: Content,
  extras?: { metadata: Content; buffers: Buffer[] },
) => void

/** The cells of the main shell or of a subshell: they run one at a time, in the order of their requests. */
interface Lane {
  queue: Message[]
  running: Message | undefined
}

export interface ExecutionsOptions {
  compiler: Compiler
  runner: Runner
  history: History
  publish: Publish
  /** Called just before and after a cell runs in the foreground. */
  beforeRun: (script: { code: string; url: string; lines: readonly number[] }) => Promise<void>
  afterRun: () => Promise<void>
  reply: (parent: Message, content: Content) => void
  ask: (parent: Message, content: Content) => void
}

/** The number of runs to remember, so that late output is assigned to its cell. */
const rememberedRuns = 2000

/** Runs the cells of the main shell, and beside them those of subshells. */
export class Executions {
  private readonly main: Lane = { queue: [], running: undefined }
  private readonly subshells = new Map<string, Lane>()
  private readonly cells = new Map<number, { parent: Message; count: number }>()
  private interrupted = false
  private count = 0
  private runs = 0

  constructor(private readonly options: ExecutionsOptions) {
    options.runner.onEvent = (event) => this.forward(event)
  }

  add(request: Message): void {
    const lane = this.lane(request.header.subshell_id)
    if (!lane) throw new Error('execute_request: no such subshell')
    lane.queue.push(request)
    void this.drain(lane)
  }

  /** Whether that shell exists; the main one always does. */
  has(subshell: string | null | undefined): boolean {
    return this.lane(subshell) !== undefined
  }

  openSubshell(): string {
    const id = randomUUID()
    this.subshells.set(id, { queue: [], running: undefined })
    return id
  }

  /** A cell that it is running continues to its end. */
  closeSubshell(id: string): void {
    const lane = this.subshells.get(id)
    if (!lane) throw new Error(`subshell_id '${id}': no such subshell`)
    this.subshells.delete(id)
    this.abort(lane)
  }

  listSubshells(): string[] {
    return [...this.subshells.keys()]
  }

  /** A comm message of a frontend; its handlers' output belongs to it. */
  async comm(parent: Message, kind: CommKind): Promise<void> {
    const run = this.register(parent, this.count)
    const { content, metadata, buffers } = parent
    this.publish(parent, 'status', { execution_state: 'busy' })
    await this.options.runner.comm({ run, kind, content, metadata, buffers })
    this.publish(parent, 'status', { execution_state: 'idle' })
    this.restateBusy()
  }

  /** Ends the running cell; if it is still being compiled, it will not run. */
  interrupt(): void {
    this.interrupted = true
    this.options.runner.interrupt()
    this.options.compiler.interrupt()
  }

  restateBusy(): void {
    const { running } = this.main
    if (running) this.publish(running, 'status', { execution_state: 'busy' })
  }

  private lane(subshell: string | null | undefined): Lane | undefined {
    return subshell == null ? this.main : this.subshells.get(subshell)
  }

  private async drain(lane: Lane): Promise<void> {
    if (lane.running) return
    for (let request = lane.queue.shift(); request; request = lane.queue.shift()) {
      lane.running = request
      this.publish(request, 'status', { execution_state: 'busy' })
      const failed = await this.execute(request)
      lane.running = undefined
      this.publish(request, 'status', { execution_state: 'idle' })
      if (lane !== this.main) this.restateBusy()
      if (!failed || request.content.stop_on_error === false) continue
      // Cancels cells sent together with the failed one; a turn of the event loop lets those still in the
      // sockets arrive.
      await new Promise((resolve) => setImmediate(resolve))
      this.abort(lane)
    }
  }

  private abort(lane: Lane): void {
    for (const request of lane.queue.splice(0)) {
      this.publish(request, 'status', { execution_state: 'busy' })
      this.options.reply(request, { status: 'aborted', execution_count: this.count })
      this.publish(request, 'status', { execution_state: 'idle' })
    }
  }

  /** Returns true if the cell failed. */
  private async execute(request: Message): Promise<boolean> {
    const code = typeof request.content.code === 'string' ? request.content.code : ''
    const silent = request.content.silent === true
    if (isStored(request)) {
      this.count++
      this.options.history.add(this.count, code)
    }
    const count = this.count
    if (!silent) this.publish(request, 'execute_input', { code, execution_count: count })
    const page = await this.help(code).catch(() => undefined)
    const outcome = page ? { userExpressions: {} } : await this.run(request, code, count)
    if (outcome.error) {
      if (!silent) this.publish(request, 'error', { ...outcome.error })
      this.options.reply(request, { status: 'error', execution_count: count, ...outcome.error })
      return true
    }
    this.options.reply(request, {
      status: 'ok',
      execution_count: count,
      user_expressions: outcome.userExpressions,
      payload: page ? [page] : [],
    })
    return false
  }

  /** `?name` and `name?` show the name's documentation in the frontend's pager. */
  private async help(code: string): Promise<Content | undefined> {
    const [, before, after] = /^\s*(?:\?([\w$.]+)|([\w$.]+)\?)\s*$/.exec(code) ?? []
    const name = before ?? after
    if (name === undefined) return undefined
    const { found, text } = await this.options.compiler.inspect(name, name.length)
    // For an unknown name TypeScript reports `any`.
    const data = { 'text/plain': found && text !== 'any' ? text : `${name}: not found` }
    return { source: 'page', data, start: 0 }
  }

  private register(parent: Message, count: number): number {
    const id = ++this.runs
    this.cells.set(id, { parent, count })
    this.cells.delete(id - rememberedRuns)
    return id
  }

  private async run(request: Message, code: string, count: number): Promise<RunOutcome> {
    const { compiler, runner } = this.options
    const isMain = request.header.subshell_id == null
    if (isMain) this.interrupted = false
    try {
      const compiled = await compiler.convert(code)
      if (!compiled.ok) return failure('TypeScriptError', compiled.message, compiled.diagnostics)
      const run: RunRequest = {
        id: this.register(request, count),
        cell: count,
        code: compiled.code,
        lines: compiled.lines,
        source: code,
        lastExpression: compiled.lastExpression,
        imports: compiled.imports,
        sideOutputs: compiled.sideOutputs,
        silent: request.content.silent === true,
        userExpressions: (request.content.user_expressions ?? {}) as Record<string, string>,
        allowStdin: isMain && request.content.allow_stdin === true,
      }
      if (!isMain) return await runner.live(run)
      await this.options.beforeRun({ code, url: cellUrl(count), lines: compiled.lines })
      if (this.interrupted) return failure('KeyboardInterrupt', 'the cell was interrupted before it ran')
      try {
        return await runner.run(run)
      } finally {
        await this.options.afterRun()
      }
    } catch (error) {
      const { name, message } = error as Error
      return failure(name, message)
    }
  }

  private forward(event: RunEvent): void {
    const cell = this.cells.get(event.run)
    if (!cell) return
    const { parent, count } = cell
    if (event.type === 'stream') {
      return this.publish(parent, 'stream', { name: event.name, text: event.text })
    }
    if (event.type === 'input') {
      return this.options.ask(parent, { prompt: event.prompt, password: event.password })
    }
    if (event.type === 'comm') {
      const { kind, content, metadata, buffers } = event.message
      return this.publish(parent, kind, content, {
        metadata,
        buffers: buffers.map((bytes) => Buffer.from(bytes)),
      })
    }
    if (event.type === 'clear') return this.publish(parent, 'clear_output', { wait: event.wait })
    if (event.type === 'result') {
      if (isStored(parent)) this.options.history.setOutput(count, event.data['text/plain'] ?? '')
      return this.publish(parent, 'execute_result', {
        execution_count: count,
        data: withParsedJson(event.data),
        metadata: {},
      })
    }
    const transient = event.id === undefined ? {} : { display_id: event.id }
    const type = event.update ? 'update_display_data' : 'display_data'
    this.publish(parent, type, { data: withParsedJson(event.data), metadata: {}, transient })
  }

  private readonly publish: Publish = (...message) => this.options.publish(...message)
}

const isStored = ({ content }: Message): boolean => content.silent !== true && content.store_history !== false

function failure(ename: string, evalue: string, traceback = [`${ename}: ${evalue}`]): RunOutcome {
  const error: Failure = { ename, evalue, traceback }
  return { error, userExpressions: {} }
}

/** Sends JSON types as JSON, not as text. */
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
