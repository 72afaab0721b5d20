import type { PreTrainedTokenizer } from '../data/tokenizer'
import { checkNames } from '../options/parse'
import { Detokenizer } from './detokenizer'

/**
 * Receives ids from `generate` as they are generated: first those of the prompt, then those of the answer.
 * `generate` awaits the methods' results.
 */
export interface BaseStreamer {
  put(ids: readonly number[]): void | Promise<void>
  end(): void | Promise<void>
}

export interface TextStreamerOptions {
  /** Omit the prompt. Default false. */
  skip_prompt?: boolean
  /** Default false, as in transformers. */
  skip_special_tokens?: boolean
}

/** Prints text to standard output as soon as words are complete (transformers' TextStreamer). */
export class TextStreamer implements BaseStreamer {
  private detokenizer: Detokenizer
  private isPrompt = true
  /** A word that may still grow. */
  private held = ''
  private readonly skipsPrompt: boolean

  constructor(
    readonly tokenizer: PreTrainedTokenizer,
    private readonly options: TextStreamerOptions = {},
  ) {
    checkNames<TextStreamerOptions>('TextStreamer', options, ['skip_prompt', 'skip_special_tokens'])
    this.skipsPrompt = options.skip_prompt ?? false
    this.detokenizer = this.fresh()
  }

  private fresh(): Detokenizer {
    return new Detokenizer(this.tokenizer, { skip_special_tokens: this.options.skip_special_tokens ?? false })
  }

  async put(ids: readonly number[]): Promise<void> {
    const skips = this.isPrompt && this.skipsPrompt
    this.isPrompt = false
    if (skips) return
    this.held += await this.detokenizer.push(ids)
    const whole = wholeWords(this.held)
    if (whole > 0) this.on_finalized_text(this.held.slice(0, whole), false)
    this.held = this.held.slice(whole)
  }

  async end(): Promise<void> {
    const rest = this.held + (await this.detokenizer.end())
    this.held = ''
    this.isPrompt = true
    this.detokenizer = this.fresh()
    this.on_finalized_text(rest, true)
  }

  /** Override it to send the text elsewhere. `stream_end`: this is the end of the text. */
  on_finalized_text(text: string, stream_end: boolean): void {
    process.stdout.write(stream_end ? `${text}\n` : text)
  }
}

/**
 * Length of the text up to its last space or line break; all of it if it ends in a Chinese character, which is
 * a word by itself.
 */
function wholeWords(text: string): number {
  if (/\p{Unified_Ideograph}$/u.test(text)) return text.length
  return Math.max(text.lastIndexOf(' '), text.lastIndexOf('\n')) + 1
}

/** Passes the text to `for await (const text of streamer)` while `generate` runs. */
export class TextIteratorStreamer extends TextStreamer implements AsyncIterable<string> {
  private readonly queue: string[] = []
  private isEnded = false
  private wake: () => void = () => {}

  override on_finalized_text(text: string, stream_end: boolean): void {
    if (text !== '') this.queue.push(text)
    this.isEnded ||= stream_end
    this.wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (;;) {
      while (this.queue.length > 0) yield this.queue.shift()!
      if (this.isEnded) break
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
    this.isEnded = false
  }
}
