import { randomUUID } from 'node:crypto'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { chatTarget, inputBundle, transcriptBundle, type ShownTurn } from '../display/chat-panel'
import { detectOutput, hookSymbol, type Handle, type Output } from '../display/output'
import { Throttle } from '../display/throttle'
import { messageOf } from '../files/atomic'
import { Conversation, type ConversationOptions } from '../generation/conversation'
import type { CausalLM } from '../models/causal-lm'
import type { PeftModel } from '../peft/model'

/** A line to a panel in a browser, as a notebook's kernel gives it. */
interface PanelComm {
  send(data: object): void
  close(): void
  on_msg(handler: (message: { content: { data: unknown } }) => unknown): void
  on_close(handler: () => void): void
}

/** What our kernel tells besides what `display/output` reads. */
interface ChatHook {
  kernel_id?: string | undefined
  comms?: {
    register_target(
      name: string,
      handler: (comm: PanelComm, message: { content: { data: { panel?: string } } }) => void,
    ): void
  }
}

/** Milliseconds between two looks at an answer that grows. */
const interval = 100

/** Open panels by id, for the messages of browsers. */
const panels = new Map<string, Chat>()

/** A conversation that is shown; made by `chat`. */
export class Chat {
  /** Its `messages` are what was said. */
  readonly conversation: Conversation
  private readonly id = randomUUID()
  private readonly comms = new Set<PanelComm>()
  private readonly throttle = new Throttle(interval, () => this.show())
  private shown: Handle | undefined
  private answer: string | undefined
  private fault: string | undefined
  private stopping: AbortController | undefined
  private last: Promise<unknown> = Promise.resolve()

  constructor(
    conversation: Conversation,
    private readonly output: Output,
  ) {
    this.conversation = conversation
    if (output.kind !== 'rich') return
    this.shown = output.show(transcriptBundle(this.turns()))
    const { kernel_id, comms } = ((globalThis as Record<symbol, unknown>)[hookSymbol] ?? {}) as ChatHook
    if (!kernel_id || !comms) return
    panels.set(this.id, this)
    comms.register_target(chatTarget, (comm, { content }) => {
      const panel = panels.get(String(content.data.panel))
      if (panel) panel.attach(comm)
      else comm.close()
    })
    output.show(inputBundle(this.id, kernel_id))
  }

  /**
   * Says `text`, shows the answer as it is made, and returns it. An interrupt or `stop()` ends the answer; what was made of it stays.
   * Texts that are said meanwhile wait for their turn.
   * @throws Error as `generate` does; the conversation is as before then.
   */
  say(text: string): Promise<string> {
    const turn = this.last.then(() => this.take(text))
    this.last = turn.catch(() => undefined)
    return turn
  }

  /** Ends the answer that is being made. */
  stop(): void {
    this.stopping?.abort()
  }

  /** Forgets what was said, when the answer that is being made has ended. */
  reset(): Promise<void> {
    this.stop()
    const done = this.last.then(() => {
      this.conversation.reset()
      this.fault = undefined
      this.show()
    })
    this.last = done
    return done
  }

  /** Takes the field away and frees the keys and values; what was said stays to be seen. */
  dispose(): void {
    this.stop()
    panels.delete(this.id)
    for (const comm of this.comms) comm.close()
    this.comms.clear()
    this.conversation.dispose()
  }

  private async take(text: string): Promise<string> {
    this.stopping = new AbortController()
    this.answer = ''
    this.fault = undefined
    this.tell('busy')
    const { stream } = this.output
    try {
      for await (const piece of this.conversation.say(text, { signal: this.stopping.signal })) {
        this.answer += piece
        stream?.write(piece)
        this.throttle.request()
      }
      stream?.write('\n')
      return this.answer
    } catch (error) {
      this.fault = messageOf(error)
      throw error
    } finally {
      this.answer = this.stopping = undefined
      this.throttle.flush()
      this.tell('ready')
    }
  }

  private attach(comm: PanelComm): void {
    this.comms.add(comm)
    comm.on_close(() => this.comms.delete(comm))
    comm.on_msg(({ content }) => {
      const data = (content.data ?? {}) as { say?: unknown; stop?: unknown; reset?: unknown }
      // What went wrong stands in the panel.
      if (typeof data.say === 'string') return this.say(data.say).catch(() => undefined)
      if (data.stop === true) return this.stop()
      if (data.reset === true) return this.reset()
      return undefined
    })
    comm.send({ state: this.answer === undefined ? 'ready' : 'busy' })
  }

  private tell(state: 'ready' | 'busy'): void {
    for (const comm of this.comms) comm.send({ state })
  }

  private turns(): ShownTurn[] {
    const said = this.conversation.messages.map(({ role, content }) => ({ role, content: String(content) }))
    if (this.answer === undefined) return said
    return [...said, { role: 'assistant', content: this.answer, growing: true }]
  }

  private show(): void {
    this.shown?.update(transcriptBundle(this.turns(), this.fault))
  }
}

/**
 * Opens a panel to talk to a model in a notebook, below the cell: a field, and what was said, which is kept in the notebook as HTML and
 * text. Returns at once; `await panel.say('Hello')` says something from a cell, also where there is no field (another frontend, a
 * terminal, where the answer is printed). `panel.dispose()` takes the field away.
 * @throws TypeError on an unknown option; Error when the tokenizer has no chat template.
 */
export function chat(
  model: CausalLM | PeftModel,
  tokenizer: PreTrainedTokenizer,
  options: ConversationOptions = {},
): Promise<Chat> {
  return Promise.resolve().then(() => new Chat(new Conversation(model, tokenizer, options), detectOutput()))
}
