import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { DecodeOptions } from '../data/tokenizer-options'

/** What a decoder writes for bytes that are not, or not yet, a character. */
const UNFINISHED = '\ufffd'

/**
 * The text of ids as they arrive. All pieces together are the text of all ids: a character whose bytes are in
 * several tokens comes with the last of them, and spaces depend on a token's position. Only the last few tokens
 * are decoded twice.
 */
export class Detokenizer {
  private ids: number[] = []
  /** Tokens before `begin` are no longer needed; the text of those before `read` has been returned. */
  private begin = 0
  private read = 0

  constructor(
    private readonly tokenizer: PreTrainedTokenizer,
    private readonly options: DecodeOptions = {},
  ) {}

  /** The text that these ids complete. */
  async push(ids: readonly number[]): Promise<string> {
    this.ids.push(...ids)
    return this.next(false)
  }

  /** The rest of the text, after the last ids. */
  end(): Promise<string> {
    return this.next(true)
  }

  private async next(isEnd: boolean): Promise<string> {
    const [given = '', all = ''] = await this.tokenizer.batch_decode(
      [this.ids.slice(this.begin, this.read), this.ids.slice(this.begin)],
      this.options,
    )
    if (!isEnd && all.endsWith(UNFINISHED)) return ''
    const fresh = all.slice(given.length)
    if (fresh !== '') [this.begin, this.read] = [this.read, this.ids.length]
    return fresh
  }
}
