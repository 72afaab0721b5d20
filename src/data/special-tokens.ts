import { type Tokenizer as NativeTokenizer } from 'tokenizers'

import { nearest } from '../options/nearest'

/** The special tokens that have a name of their own. */
export const specialTokenNames = ['bos_token', 'eos_token', 'unk_token', 'pad_token'] as const

export type SpecialTokenName = (typeof specialTokenNames)[number]

/**
 * Reads a special token in the spellings of tokenizer_config.json and special_tokens_map.json: a string or `{
 * content }`.
 */
export function tokenContent(value: unknown): string | null {
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null && 'content' in value && typeof value.content === 'string')
    return value.content
  return null
}

/**
 * Checks that special tokens have a row in a model's embedding.
 * @throws Error naming the token, its id and the model's last id; `where` begins the message, such as
 * `[pipeline] tokenizer`.
 */
export function checkSpecialIds(where: string, tokenizer: SpecialTokens, vocabSize: number): void {
  for (const name of ['bos_token', 'eos_token', 'unk_token'] as const) {
    const id = tokenizer[`${name}_id`]
    if (id !== null && id >= vocabSize)
      throw new Error(
        `${where}: ${name} '${tokenizer[name]}' has the id ${id}, but the model's embedding ends at ${vocabSize - 1}; give the model's own tokenizer`,
      )
  }
}

/** Named special tokens of a native tokenizer; the base class of `PreTrainedTokenizer`. */
export class SpecialTokens {
  protected readonly native: NativeTokenizer
  private readonly named: Record<SpecialTokenName, string | null> = {
    bos_token: null,
    eos_token: null,
    unk_token: null,
    pad_token: null,
  }
  private extra: readonly string[]

  /** `extra`: special tokens without a name, such as the marks of chat turns. */
  constructor(
    native: NativeTokenizer,
    named: Partial<Record<SpecialTokenName, string | null>>,
    extra: readonly string[],
  ) {
    this.native = native
    this.extra = extra
    for (const name of specialTokenNames) this.setNamed(name, named[name] ?? null)
  }

  /**
   * Begin token, or null. Setting a token that is not in the vocabulary throws, since it would have no
   * embedding.
   */
  get bos_token(): string | null {
    return this.named.bos_token
  }
  set bos_token(token: string | null) {
    this.setNamed('bos_token', token)
  }

  /** End token, or null. Setting it: see `bos_token`. */
  get eos_token(): string | null {
    return this.named.eos_token
  }
  set eos_token(token: string | null) {
    this.setNamed('eos_token', token)
  }

  /** Token for text that the vocabulary cannot represent, or null. Setting it: see `bos_token`. */
  get unk_token(): string | null {
    return this.named.unk_token
  }
  set unk_token(token: string | null) {
    this.setNamed('unk_token', token)
  }

  /**
   * Padding token, or null. `tokenizer.pad_token = tokenizer.eos_token` is safe here: padding is masked by
   * position, not by id, so real end tokens keep their loss. Setting it: see `bos_token`.
   */
  get pad_token(): string | null {
    return this.named.pad_token
  }
  set pad_token(token: string | null) {
    this.setNamed('pad_token', token)
  }

  get bos_token_id(): number | null {
    return this.idOf(this.named.bos_token)
  }

  get eos_token_id(): number | null {
    return this.idOf(this.named.eos_token)
  }

  get unk_token_id(): number | null {
    return this.idOf(this.named.unk_token)
  }

  get pad_token_id(): number | null {
    return this.idOf(this.named.pad_token)
  }

  /** The named special tokens that are set, by name. */
  get special_tokens_map(): Partial<Record<SpecialTokenName, string>> {
    const entries = specialTokenNames.map((name) => [name, this.named[name]] as const)
    return Object.fromEntries(entries.filter(([, token]) => token !== null)) as Partial<
      Record<SpecialTokenName, string>
    >
  }

  /** Every special token once, named ones first. */
  get all_special_tokens(): string[] {
    return [...new Set([...Object.values(this.special_tokens_map), ...this.extra])]
  }

  get all_special_ids(): number[] {
    return this.all_special_tokens.flatMap((token) => this.native.tokenToId(token) ?? [])
  }

  /** Names tokens that are in the vocabulary, and sets or extends those without a name. */
  protected register(
    named: Partial<Record<SpecialTokenName, string>>,
    extra: readonly string[],
    replace: boolean,
  ): void {
    for (const [name, token] of Object.entries(named)) this.setNamed(name as SpecialTokenName, token)
    if (extra.length > 0) this.extra = replace ? [...extra] : [...new Set([...this.extra, ...extra])]
  }

  private idOf(token: string | null): number | null {
    return token === null ? null : this.native.tokenToId(token)
  }

  private setNamed(name: SpecialTokenName, token: string | null): void {
    if (token !== null && this.native.tokenToId(token) === null) {
      const near = nearest(token, this.all_special_tokens)
      throw new Error(
        `[tokenizer] ${name} = '${token}' is not in the vocabulary, so the model has no embedding for it. ` +
          (near === undefined
            ? `Special tokens there: ${this.all_special_tokens.join(', ')}`
            : `Did you mean '${near}'?`) +
          `. add_special_tokens adds a new one`,
      )
    }
    this.named[name] = token
  }
}
