import type { Compiler } from '../compiler/client'
import { createMessage, type Channel, type Content, type Message } from '../protocol/message'
import type { Runner } from '../runner/client'
import { Executions } from './executions'
import { History } from './history'
import { kernelInfo } from './info'
import { toPoints, toUnits } from './text'

export interface KernelOptions {
  session: string
  compiler: Compiler
  runner: Runner
  send: (channel: Channel, message: Message) => void
  /** After the reply to a shutdown_request was sent. */
  shutdown: () => void
}

type Answer = (content: Content) => Content | Promise<Content>

/** Jupyter's kernel without sockets: messages come in by `handle` and go out by `send`. */
export class Kernel {
  private readonly history = new History()
  private readonly executions: Executions
  private readonly answers: Record<string, Answer>

  constructor(private readonly options: KernelOptions) {
    const { compiler, runner } = options
    this.executions = new Executions({
      compiler,
      runner,
      history: this.history,
      publish: (parent, type, content) => this.publish(parent, type, content),
      reply: (parent, content) => this.reply('shell', parent, content),
      ask: (parent, content) => options.send('stdin', this.message('input_request', content, parent)),
    })
    this.answers = {
      kernel_info_request: kernelInfo,
      is_complete_request: async ({ code }) => ({ ...(await compiler.isComplete(textOf(code))) }),
      complete_request: (content) => this.complete(content),
      inspect_request: (content) => this.inspect(content),
      history_request: (content) => ({ status: 'ok', history: this.history.answer(content) }),
      comm_info_request: () => ({ status: 'ok', comms: {} }),
      interrupt_request: () => (this.executions.interrupt(), { status: 'ok' }),
      shutdown_request: ({ restart }) => ({ status: 'ok', restart: restart === true }),
    }
  }

  /** Sent once, before anything else. */
  starting(): void {
    this.publish(undefined, 'status', { execution_state: 'starting' })
  }

  interrupt(): void {
    this.executions.interrupt()
  }

  handle(channel: 'shell' | 'control' | 'stdin', message: Message): void {
    const type = message.header.msg_type
    if (channel === 'stdin') {
      if (type === 'input_reply') this.options.runner.answerInput(textOf(message.content.value))
    } else if (type === 'execute_request') {
      this.executions.add(message)
    } else if (this.answers[type]) {
      void this.answer(channel, message, this.answers[type])
    } else if (!type.startsWith('comm_')) {
      process.stderr.write(`[kernel] ${channel}: unknown message type ${type}\n`)
    }
  }

  private async answer(channel: 'shell' | 'control', message: Message, answer: Answer): Promise<void> {
    this.publish(message, 'status', { execution_state: 'busy' })
    let content: Content
    try {
      content = await answer(message.content)
    } catch (error) {
      const { name, message: evalue } = error as Error
      content = { status: 'error', ename: name, evalue, traceback: [`${name}: ${evalue}`] }
    }
    this.reply(channel, message, content)
    this.publish(message, 'status', { execution_state: 'idle' })
    // Frontends show the newest state, whoever it belongs to.
    this.executions.restateBusy()
    if (message.header.msg_type === 'shutdown_request') this.options.shutdown()
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

  private publish(parent: Message | undefined, type: string, content: Content): void {
    const topic = Buffer.from(`kernel.${this.options.session}.${type}`)
    this.options.send('iopub', createMessage(this.options.session, type, content, parent, [topic]))
  }

  private message(type: string, content: Content, parent: Message): Message {
    return createMessage(this.options.session, type, content, parent)
  }
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new Error('request: a text is missing')
  return value
}

function position(content: Content, code: string): number {
  return typeof content.cursor_pos === 'number' ? toUnits(code, content.cursor_pos) : code.length
}
