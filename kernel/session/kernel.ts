import type { Compiler } from '../compiler/client'
import { createMessage, type Channel, type Content, type Message } from '../protocol/message'
import { Debugger } from '../debugger/debugger'
import type { DapRequest } from '../debugger/messages'
import type { Runner } from '../runner/process'
import type { Inspector } from '../runner/inspector'
import type { CommKind } from '../runner/messages'
import { OpenComms } from './comms'
import { Executions } from './executions'
import { History } from './history'
import { kernelInfo } from './info'
import { toPoints, toUnits } from './text'

export interface KernelOptions {
  session: string
  compiler: Compiler
  runner: Runner
  send: (channel: Channel, message: Message) => void
  /** The inspector of the thread that runs the cells; without it there is no debugger. */
  inspector?: Inspector
  /** The file that stores inputs across sessions; without it they are kept in memory. */
  historyFile?: string
  /** Called after the reply to a shutdown_request was sent. */
  shutdown: () => void
}

type Answer = (content: Content, message: Message) => Content | Promise<Content>

/** Jupyter's kernel without sockets: messages arrive through `handle` and leave through `send`. */
export class Kernel {
  private readonly history: History
  private readonly executions: Executions
  private readonly comms = new OpenComms()
  private readonly debugger: Debugger | undefined
  /** Debug events belong to the last debug_request. */
  private debugging: Message | undefined
  private readonly answers: Record<string, Answer>

  constructor(private readonly options: KernelOptions) {
    const { compiler, runner, inspector, historyFile } = options
    this.history = new History(historyFile)
    this.debugger =
      inspector &&
      new Debugger(inspector, (event) => this.publish(this.debugging, 'debug_event', { ...event }))
    this.executions = new Executions({
      compiler,
      runner,
      history: this.history,
      publish: (parent, type, content, extras) => this.publish(parent, type, content, extras),
      beforeRun: async (script) => this.debugger?.beforeRun(script),
      afterRun: async () => this.debugger?.afterRun(),
      reply: (parent, content) => this.reply('shell', parent, content),
      ask: (parent, content) => options.send('stdin', this.message('input_request', content, parent)),
    })
    this.answers = {
      kernel_info_request: kernelInfo,
      is_complete_request: async ({ code }) => ({ ...(await compiler.isComplete(textOf(code))) }),
      complete_request: (content) => this.complete(content),
      inspect_request: (content) => this.inspect(content),
      history_request: async (content) => ({ status: 'ok', history: await this.history.answer(content) }),
      comm_info_request: ({ target_name }) => ({ status: 'ok', comms: this.comms.answer(target_name) }),
      interrupt_request: () => (this.interrupt(), { status: 'ok' }),
      debug_request: (content, message) => this.debug(content, message),
      create_subshell_request: () => ({ status: 'ok', subshell_id: this.executions.openSubshell() }),
      delete_subshell_request: ({ subshell_id }) => (
        this.executions.closeSubshell(textOf(subshell_id)),
        { status: 'ok' }
      ),
      list_subshell_request: () => ({ status: 'ok', subshell_id: this.executions.listSubshells() }),
      shutdown_request: ({ restart }) => ({ status: 'ok', restart: restart === true }),
    }
  }

  /** Called once, before any other message is sent. */
  starting(): void {
    this.publish(undefined, 'status', { execution_state: 'starting' })
  }

  /** The cells' process was restarted: what they have declared is lost. */
  restarted(): void {
    this.options.compiler.forget()
    this.comms.clear()
    this.debugger?.restarted().catch(() => {})
  }

  interrupt(): void {
    this.executions.interrupt()
    this.debugger?.interrupt().catch(() => {})
  }

  handle(channel: 'shell' | 'control' | 'stdin', message: Message): void {
    const type = message.header.msg_type
    if (channel === 'stdin') {
      if (type === 'input_reply') this.options.runner.answerInput(textOf(message.content.value))
    } else if (type === 'execute_request') {
      if (this.executions.has(message.header.subshell_id)) this.executions.add(message)
      else void this.answer(channel, message, this.noSubshell)
    } else if (isComm(type)) {
      this.comms.note(type, message.content)
      void this.executions.comm(message, type)
    } else if (Object.hasOwn(this.answers, type)) {
      const known = this.executions.has(message.header.subshell_id)
      void this.answer(channel, message, known ? this.answers[type]! : this.noSubshell)
    } else {
      process.stderr.write(`[kernel] ${channel}: unknown message type ${type}\n`)
    }
  }

  private async answer(channel: 'shell' | 'control', message: Message, answer: Answer): Promise<void> {
    this.publish(message, 'status', { execution_state: 'busy' })
    let content: Content
    try {
      content = await answer(message.content, message)
    } catch (error) {
      const { name, message: evalue } = error as Error
      content = { status: 'error', ename: name, evalue, traceback: [`${name}: ${evalue}`] }
    }
    this.reply(channel, message, content)
    this.publish(message, 'status', { execution_state: 'idle' })
    // Frontends show the newest state, whichever request it belongs to.
    this.executions.restateBusy()
    if (message.header.msg_type === 'shutdown_request') {
      // The other frontends are informed too.
      this.publish(message, 'shutdown_reply', content)
      this.options.shutdown()
    }
  }

  private readonly noSubshell: Answer = (_content, { header }) => {
    throw new Error(`subshell_id '${header.subshell_id}': no such subshell`)
  }

  private async debug(content: Content, message: Message): Promise<Content> {
    if (!this.debugger) throw new Error('debug_request: this kernel has no debugger')
    this.debugging = message
    return { ...(await this.debugger.handle(content as unknown as DapRequest)) }
  }

  private async complete(content: Content): Promise<Content> {
    const code = textOf(content.code)
    const found = await this.options.compiler.complete(code, position(content, code))
    return {
      status: 'ok',
      matches: found.candidates,
      cursor_start: toPoints(code, found.start),
      cursor_end: toPoints(code, found.end),
      metadata: {},
    }
  }

  private async inspect(content: Content): Promise<Content> {
    const code = textOf(content.code)
    const { found, text } = await this.options.compiler.inspect(code, position(content, code))
    return { status: 'ok', found, data: found ? { 'text/plain': text } : {}, metadata: {} }
  }

  private reply(channel: 'shell' | 'control', parent: Message, content: Content): void {
    const type = parent.header.msg_type.replace(/_request$/, '_reply')
    this.options.send(channel, this.message(type, content, parent))
  }

  private readonly publish = (
    parent: Message | undefined,
    type: string,
    content: Content,
    extras?: { metadata: Content; buffers: Buffer[] },
  ): void => {
    const topic = Buffer.from(`kernel.${this.options.session}.${type}`)
    if (isComm(type)) this.comms.note(type, content)
    this.options.send('iopub', {
      ...createMessage(this.options.session, type, content, parent, [topic]),
      ...extras,
    })
  }

  private message(type: string, content: Content, parent: Message): Message {
    return createMessage(this.options.session, type, content, parent)
  }
}

const isComm = (type: string): type is CommKind => ['comm_open', 'comm_msg', 'comm_close'].includes(type)

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new Error('request: a text is missing')
  return value
}

function position(content: Content, code: string): number {
  return typeof content.cursor_pos === 'number' ? toUnits(code, content.cursor_pos) : code.length
}
