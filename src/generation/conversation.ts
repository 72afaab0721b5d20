import type { ChatMessage } from '../data/chat-template'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { CausalLM } from '../models/causal-lm'
import { parseOptions } from '../options/parse'
import { PeftModel } from '../peft/model'
import { DynamicCache } from './dynamic-cache'
import { generateOptionSet, type GenerateOptions } from './options'
import { stream } from './stream'

/** Options for all answers; `max_new_tokens` is 256 unless given here or by the model's generation_config.json. */
export interface ConversationOptions extends Omit<
  GenerateOptions,
  'streamer' | 'tokenizer' | 'past_key_values' | 'num_beams' | 'num_return_sequences'
> {
  /** The first message, which instructs the model. Default: none. */
  system?: string | undefined
}

const DEFAULT_NEW_TOKENS = 256

/**
 * A conversation with a model. It keeps the messages and their keys and values, so that each answer only has to
 * read the newest turn. `for await (const text of conversation.say('Hello')) ...`; `dispose()` frees the cache,
 * not the model.
 */
export class Conversation {
  /** The messages so far, the system message first. */
  messages: ChatMessage[] = []
  private readonly cache = new DynamicCache()
  private readonly base: CausalLM
  private readonly system: string | undefined
  private readonly options: GenerateOptions

  /** @throws TypeError on an unknown option or a wrong value; Error when the tokenizer has no chat template. */
  constructor(
    readonly model: CausalLM | PeftModel,
    readonly tokenizer: PreTrainedTokenizer,
    { system, ...options }: ConversationOptions = {},
  ) {
    parseOptions({ ...generateOptionSet, owner: 'Conversation' }, options)
    if (tokenizer.chat_template === null)
      throw new Error(
        '[Conversation] the tokenizer has no chat template: set tokenizer.chat_template, or use pipeline with plain texts',
      )
    this.base = model instanceof PeftModel ? model.base_model : model
    const configured =
      this.base.generation_config['max_new_tokens'] ?? this.base.generation_config['max_length']
    this.options = {
      ...(typeof configured !== 'number' &&
        options.max_length === undefined && { max_new_tokens: DEFAULT_NEW_TOKENS }),
      ...options,
    }
    this.system = system
    this.reset()
  }

  /** Removes all messages. */
  reset(): void {
    this.messages = this.system === undefined ? [] : [{ role: 'system', content: this.system }]
  }

  /**
   * Sends `text` and yields the answer while it is generated. An interrupt, `signal` or leaving the loop ends
   * the answer; the part generated so far stays in `messages`. If it fails before the first token, the
   * conversation is unchanged.
   */
  async *say(
    text: string,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncGenerator<string, void, undefined> {
    const before = this.messages
    this.messages = [...before, { role: 'user', content: text }]
    let answer = ''
    let isOver = false
    try {
      const options = { ...this.options, ...(signal && { signal }) }
      const pieces = stream(this.base, this.messages, {
        ...{ ...options, tokenizer: this.tokenizer, past_key_values: this.cache },
      })
      for await (const piece of pieces) {
        answer += piece
        yield piece
      }
      isOver = true
    } catch (error) {
      if (signal?.aborted !== true) throw error
    } finally {
      const keep = isOver || answer !== ''
      this.messages = keep ? [...this.messages, { role: 'assistant', content: answer }] : before
    }
  }

  /** Frees the cached keys and values; the model stays. */
  dispose(): void {
    this.cache.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
