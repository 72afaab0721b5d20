import type { PreTrainedTokenizer } from '../data/tokenizer'
import { Detokenizer } from '../generation/detokenizer'
import type { ParsedGenerateOptions } from '../generation/options'
import { logSoftmax } from '../generation/processors'
import { largest } from '../generation/select'
import { Sequence, type SequenceContext } from '../generation/sequence'
import { StopText } from './stop-text'

/** A token of the answer with its log probability, and the most probable tokens at its position with theirs. */
export interface TokenLogprob {
  token: string
  logprob: number
  bytes: number[]
  top: { token: string; logprob: number; bytes: number[] }[]
}

export interface ChoiceOptions {
  index: number
  stops: readonly string[]
  /** Number of most probable tokens to return at each position; undefined: no log probabilities. */
  topLogprobs: number | undefined
  /** Called with each part of the text that is final. */
  onText?: ((text: string, logprobs: TokenLogprob[]) => void) | undefined
}

/** One answer to a request: its sequence and its text. */
export class Choice {
  readonly sequence: Sequence
  text = ''
  readonly logprobs: TokenLogprob[] = []
  private fresh: TokenLogprob[] = []
  private lastLogits: Float32Array | undefined
  private readonly detokenizer: Detokenizer
  private readonly stopText: StopText

  constructor(
    private readonly tokenizer: PreTrainedTokenizer,
    generation: ParsedGenerateOptions,
    context: SequenceContext,
    private readonly options: ChoiceOptions,
  ) {
    this.detokenizer = new Detokenizer(tokenizer, { skip_special_tokens: true })
    this.stopText = new StopText(options.stops)
    this.sequence = new Sequence(generation, {
      ...context,
      onToken: (token) => this.take(token),
      onLogits:
        options.topLogprobs === undefined ? undefined : (logits) => (this.lastLogits = logits.slice()),
    })
  }

  get index(): number {
    return this.options.index
  }

  /** 'length' also if the sequence was cancelled. */
  get finishReason(): 'stop' | 'length' {
    return this.stopText.isStopped || this.sequence.finished === 'stop' ? 'stop' : 'length'
  }

  private async take(token: number): Promise<void> {
    if (this.lastLogits) this.fresh.push(await this.logprobOf(token, this.lastLogits))
    this.emit(this.stopText.push(await this.detokenizer.push([token])))
    if (this.stopText.isStopped) this.sequence.finished ??= 'stop'
  }

  /** Returns the text that was held back. */
  async end(): Promise<void> {
    if (!this.stopText.isStopped) {
      const rest = this.stopText.push(await this.detokenizer.end())
      this.emit(rest + this.stopText.end())
    }
  }

  private emit(text: string): void {
    if (text === '') return
    this.text += text
    this.logprobs.push(...this.fresh)
    this.options.onText?.(text, this.fresh)
    this.fresh = []
  }

  private async logprobOf(token: number, logits: Float32Array): Promise<TokenLogprob> {
    logSoftmax(logits)
    const ids = [token, ...largest(logits, this.options.topLogprobs!)]
    const texts = await this.tokenizer.batch_decode(ids.map((id) => [id]))
    const [own, ...top] = ids.map((id, i) => ({
      token: texts[i]!,
      logprob: logits[id]!,
      bytes: [...Buffer.from(texts[i]!)],
    }))
    return { ...own!, top }
  }
}
