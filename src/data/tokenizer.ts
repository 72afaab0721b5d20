import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Encoding, type Tokenizer as NativeTokenizer } from 'tokenizers'

import { messageOf, nameBeside, writeFileAtomic } from '../files/atomic'
import { disk } from '../files/disk'
import { checkNames } from '../options/parse'
import { type ChatMessage } from './chat-template'
import { CHAT_TEMPLATE, CHAT_TEMPLATE_FOLDER, ChatTemplates } from './chat-templates'
import { type NewToken, type SpecialTokensToAdd, specialTokensToAdd, tokenTexts } from './new-tokens'
import { type BatchEncoding, type Encoded, padEncodings, utf16Offsets } from './token-padding'
import {
  type CallOptions,
  callNames,
  refusedInCall,
  type ChatTemplateOptions,
  type DecodeOptions,
  type EncodeOptions,
  type TokenizerSettings,
} from './tokenizer-options'

/** Python's `int(1e30)`: transformers' value for an unknown length limit. */
export const VERY_LARGE_INTEGER: number = 1e30

/** A fast tokenizer with transformers' names. Encoding and decoding run on the native library's threads. */
export class PreTrainedTokenizer extends ChatTemplates {
  override readonly name_or_path: string
  /** The longest input that the model supports; 1e30 if unknown. */
  model_max_length: number
  truncation_side: 'left' | 'right'
  private paddingSide: 'left' | 'right' = 'right'
  private addedBySpecial: Promise<number> | undefined

  /** Use `AutoTokenizer.from_pretrained`. */
  constructor(native: NativeTokenizer, settings: TokenizerSettings) {
    super(native, settings.special, settings.extraSpecialTokens)
    // tokenizer.json may contain a length limit and padding from its training, which would silently cut texts.
    native.disableTruncation()
    native.disablePadding()
    this.name_or_path = settings.name_or_path
    this.chat_template = settings.chat_template
    this.model_max_length = settings.model_max_length
    this.truncation_side = settings.truncation_side
    this.padding_side = settings.padding_side
  }

  /** The side on which a batch is padded: 'right' (training) or 'left' (generation). */
  get padding_side(): 'left' | 'right' {
    return this.paddingSide
  }
  set padding_side(side: 'left' | 'right') {
    if (side !== 'left' && side !== 'right')
      throw new TypeError(`[tokenizer] padding_side = '${String(side)}', needs 'left' or 'right'`)
    this.paddingSide = side
  }

  /** Number of tokens in the vocabulary, without added ones. */
  get vocab_size(): number {
    return this.native.getVocabSize(false)
  }

  /** Number of all tokens, including added ones: Python's `len(tokenizer)`. */
  get length(): number {
    return this.native.getVocabSize(true)
  }

  get_vocab(): Record<string, number> {
    return this.native.getVocab(true)
  }

  /**
   * Adds tokens that the vocabulary lacks, behind the others; returns how many. The model needs rows for them:
   * `model.resize_token_embeddings(tokenizer.length)`. `special_tokens`: texts are never split there, and decoding can skip them.
   */
  add_tokens(
    new_tokens: NewToken | readonly NewToken[],
    { special_tokens = false }: { special_tokens?: boolean } = {},
  ): number {
    const texts = tokenTexts('add_tokens', new_tokens)
    const before = this.length
    if (special_tokens) this.native.addSpecialTokens(texts)
    else this.native.addTokens(texts)
    return this.length - before
  }

  /**
   * Adds special tokens and sets them under their names (`pad_token`, ...); those of `extra_special_tokens` have none and take the
   * place of earlier ones, unless `replace_extra_special_tokens` is false. Returns how many are new; see `add_tokens`.
   */
  add_special_tokens(
    special_tokens_dict: SpecialTokensToAdd,
    { replace_extra_special_tokens = true }: { replace_extra_special_tokens?: boolean } = {},
  ): number {
    const { named, extra } = specialTokensToAdd(special_tokens_dict)
    const added = this.add_tokens([...Object.values(named), ...extra], { special_tokens: true })
    this.register(named, extra, replace_extra_special_tokens)
    return added
  }

  /** Ids of one text. */
  async encode(text: string, options: EncodeOptions = {}): Promise<number[]> {
    checkNames<EncodeOptions>('tokenizer.encode', options, ['add_special_tokens'], refusedInCall)
    const { add_special_tokens = true } = options
    return (
      await this.native.encode(checkedText(text, 0), null, { addSpecialTokens: add_special_tokens })
    ).getIds()
  }

  /** The tokens of one text as the vocabulary spells them, without added special tokens. */
  async tokenize(text: string): Promise<string[]> {
    return (await this.native.encode(checkedText(text, 0), null, { addSpecialTokens: false })).getTokens()
  }

  /** Python's `tokenizer(text)` and `tokenizer([texts])`: ids and attention mask, padded and cut as requested. */
  async call(text: string, options?: CallOptions): Promise<Encoded>
  async call(texts: readonly string[], options?: CallOptions): Promise<BatchEncoding>
  async call(text: string | readonly string[], options: CallOptions = {}): Promise<Encoded | BatchEncoding> {
    if (typeof text !== 'string') return this.batch_encode(text, options)
    const { input_ids, attention_mask, offset_mapping } = await this.batch_encode([text], options)
    return {
      input_ids: input_ids[0] ?? [],
      attention_mask: attention_mask[0] ?? [],
      ...(offset_mapping?.[0] ? { offset_mapping: offset_mapping[0] } : {}),
    }
  }

  /** Like `call` with a list. Throws when padding is requested and there is no pad token. */
  async batch_encode(texts: readonly string[], options: CallOptions = {}): Promise<BatchEncoding> {
    checkNames<CallOptions>('tokenizer', options, callNames, refusedInCall)
    const {
      add_special_tokens = true,
      padding = false,
      truncation = false,
      return_offsets_mapping = false,
    } = options
    const limit = options.max_length ?? this.model_max_length
    const encodings = await this.native.encodeBatch(texts.map(checkedText), {
      addSpecialTokens: add_special_tokens,
    })
    const fitted = truncation ? await this.fit(texts, encodings, limit, add_special_tokens) : encodings
    const batch: BatchEncoding = {
      input_ids: fitted.map((e) => e.getIds()),
      attention_mask: fitted.map((e) => e.getAttentionMask()),
    }
    if (return_offsets_mapping)
      batch.offset_mapping = fitted.map((e, i) => utf16Offsets(texts[i] ?? '', e.getOffsets()))
    if (padding === false) return batch
    if (this.pad_token_id === null) {
      throw new Error(
        '[tokenizer] padding needs a pad token: set tokenizer.pad_token (for instance to tokenizer.eos_token)',
      )
    }
    if (padding === 'max_length' && limit >= VERY_LARGE_INTEGER) {
      throw new Error(
        "[tokenizer] padding: 'max_length' needs max_length; the tokenizer knows no limit of its own",
      )
    }
    return padEncodings(batch, {
      to: padding === 'max_length' ? limit : 0,
      side: this.padding_side,
      padId: this.pad_token_id,
      multipleOf: options.pad_to_multiple_of ?? 1,
    })
  }

  /** Text of ids. */
  async decode(ids: number | ArrayLike<number>, options: DecodeOptions = {}): Promise<string> {
    const [text = ''] = await this.batch_decode([typeof ids === 'number' ? [ids] : ids], options)
    return text
  }

  /** Texts of several lists of ids. */
  async batch_decode(
    sequences: readonly ArrayLike<number>[],
    options: DecodeOptions = {},
  ): Promise<string[]> {
    const names = ['skip_special_tokens', 'clean_up_tokenization_spaces'] as const
    checkNames<DecodeOptions>('tokenizer.decode', options, names)
    const { skip_special_tokens = false, clean_up_tokenization_spaces = false } = options
    if (clean_up_tokenization_spaces) {
      throw new Error(
        '[tokenizer] clean_up_tokenization_spaces: true is not supported: it corrupts the text of byte-pair tokenizers',
      )
    }
    return this.native.decodeBatch(
      sequences.map((ids) => Array.from(ids)),
      skip_special_tokens,
    )
  }

  /** Ids of tokens in the vocabulary's spelling; for an unknown token `unk_token_id` (null without one). */
  convert_tokens_to_ids(token: string): number | null
  convert_tokens_to_ids(tokens: readonly string[]): (number | null)[]
  convert_tokens_to_ids(tokens: string | readonly string[]): number | null | (number | null)[] {
    if (typeof tokens === 'string') return this.native.tokenToId(tokens) ?? this.unk_token_id
    return tokens.map((token) => this.convert_tokens_to_ids(token))
  }

  /** Tokens of ids in the vocabulary's spelling; null for an id outside the vocabulary. */
  convert_ids_to_tokens(id: number): string | null
  convert_ids_to_tokens(ids: ArrayLike<number>): (string | null)[]
  convert_ids_to_tokens(ids: number | ArrayLike<number>): string | null | (string | null)[] {
    return typeof ids === 'number'
      ? this.native.idToToken(ids)
      : Array.from(ids, (id) => this.native.idToToken(id))
  }

  /**
   * Renders a conversation with the chat template. No further special tokens are added to the ids, since the
   * template writes them. Throws without a template, and with the template's own message when it rejects the
   * conversation.
   */
  async apply_chat_template(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { tokenize: false },
  ): Promise<string>
  async apply_chat_template(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { return_dict: false },
  ): Promise<number[]>
  async apply_chat_template(messages: readonly ChatMessage[], options?: ChatTemplateOptions): Promise<Encoded>
  async apply_chat_template(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions = {},
  ): Promise<string | number[] | Encoded> {
    const { tokenize = true, return_dict = true } = options
    const text = this.render(messages, options)
    if (!tokenize) return text
    return return_dict
      ? this.call(text, { add_special_tokens: false })
      : this.encode(text, { add_special_tokens: false })
  }

  /** The contents of tokenizer.json: Python's `backend_tokenizer.to_str()`. */
  async to_str(): Promise<string> {
    // The native library can write its state only to files.
    const folder = await mkdtemp(join(tmpdir(), 'qlora-tokenizer-'))
    try {
      const path = join(folder, 'tokenizer.json')
      this.native.save(path, false)
      return await readFile(path, 'utf8')
    } finally {
      await disk.rm(folder, { recursive: true, force: true })
    }
  }

  /**
   * Writes tokenizer.json, tokenizer_config.json and chat_template.jinja (further named templates to
   * additional_chat_templates/), like transformers 5. Special tokens are in tokenizer_config.json. Returns the
   * paths of the files.
   */
  async save_pretrained(dir: string): Promise<string[]> {
    const config = {
      clean_up_tokenization_spaces: false,
      model_max_length: this.model_max_length,
      padding_side: this.padding_side,
      // Both transformers 4 and 5 read this name; 5's own name for it (TokenizersBackend) is unknown to 4.
      tokenizer_class: 'PreTrainedTokenizerFast',
      ...this.special_tokens_map,
    }
    // Python reads 1e30 as a float where it needs an integer.
    const configText = JSON.stringify(config, Object.keys(config).sort(), 2).replace(
      '1e+30',
      '1000000000000000019884624838656',
    )
    const files: [string, string][] = [['tokenizer_config.json', configText + '\n']]
    const named =
      typeof this.chat_template === 'string' ? { default: this.chat_template } : this.chat_template
    for (const [name, template] of Object.entries(named ?? {})) {
      const file = name === 'default' ? CHAT_TEMPLATE : join(CHAT_TEMPLATE_FOLDER, `${name}.jinja`)
      files.push([file, template])
    }
    for (const [name, text] of files) await writeFileAtomic(join(dir, name), text)
    return [await this.saveVocabulary(join(dir, 'tokenizer.json')), ...files.map(([name]) => join(dir, name))]
  }

  private async saveVocabulary(path: string): Promise<string> {
    const temporary = nameBeside(path, 'tmp')
    try {
      this.native.save(temporary, true)
      await disk.rename(temporary, path)
    } catch (error) {
      await disk.rm(temporary, { force: true }).catch(() => undefined)
      throw new Error(`${path}: could not be written: ${messageOf(error)}`, { cause: error })
    }
    return path
  }

  /** Cuts the text's own tokens so that the special ones fit too, as transformers does. */
  private async fit(
    texts: readonly string[],
    encodings: Encoding[],
    limit: number,
    special: boolean,
  ): Promise<Encoding[]> {
    const long = encodings.flatMap((e, i) => (e.getLength() > limit ? [i] : []))
    if (long.length === 0) return encodings
    this.addedBySpecial ??= this.native.encode('').then((e) => e.getLength())
    const room = limit - (special ? await this.addedBySpecial : 0)
    if (room < 0) throw new Error(`[tokenizer] max_length ${limit} is less than the special tokens alone`)
    const bare = await this.native.encodeBatch(
      long.map((i) => texts[i] ?? ''),
      { addSpecialTokens: false },
    )
    const fitted = [...encodings]
    bare.forEach((encoding, k) => {
      encoding.truncate(room, 0, this.truncation_side)
      fitted[long[k] ?? -1] = special ? this.native.postProcess(encoding, null, true) : encoding
    })
    return fitted
  }
}

function checkedText(text: unknown, index: number): string {
  if (typeof text !== 'string')
    throw new TypeError(
      `[tokenizer] text ${index} is ${text === null ? 'null' : typeof text}, needs a string`,
    )
  return text
}
