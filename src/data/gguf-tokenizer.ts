import { logger } from '../logging'

/** A GGUF file's tokenizer, as the files of a Hugging Face model folder. */
export interface GgufTokenizer {
  /** Content of `tokenizer.json`. */
  tokenizer: Record<string, unknown>
  /** Content of `tokenizer_config.json`. */
  config: Record<string, unknown>
}

const byteLevel = (use_regex: boolean): object => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
})
const split = (pattern: string): object => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
})
const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const splitRest = '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

interface Splitting {
  steps: object[]
  normalizer?: object
  /** Whether whole words of the vocabulary have priority over merges (Llama 3). */
  ignore_merges?: boolean
}

const gpt2: Splitting = { steps: [byteLevel(true)] }
const llama3: Splitting = {
  steps: [split(`${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}${splitRest}`), byteLevel(false)],
  ignore_merges: true,
}
const qwen2: Splitting = {
  steps: [split(`${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${splitRest}`), byteLevel(false)],
  normalizer: { type: 'NFC' },
}

/** How text is split into words before merging, by `tokenizer.ggml.pre`. */
export const splittings: Readonly<Record<string, Splitting>> = {
  smollm: { steps: [{ type: 'Digits', individual_digits: true }, byteLevel(true)] },
  'gpt-2': gpt2,
  default: gpt2,
  'llama-bpe': llama3,
  llama3,
  'llama-v3': llama3,
  qwen2,
}

/**
 * The `tokenizer.ggml.pre` of a tokenizer.json of byte-level BPE; undefined if no known rule splits text in the
 * same way.
 */
export function preTokenizerName(tokenizer: Readonly<Record<string, unknown>>): string | undefined {
  const { pre_tokenizer, normalizer, model } = tokenizer as {
    pre_tokenizer: object
    normalizer: object | null
    model: Splitting
  }
  const wanted = splittingText([pre_tokenizer])
  return Object.keys(splittings).find((name) => {
    const { steps, normalizer: own, ignore_merges = false } = splittings[name]!
    const normalizes = JSON.stringify(own ?? null) === JSON.stringify(normalizer ?? null)
    return normalizes && splittingText(steps) === wanted && ignore_merges === (model.ignore_merges ?? false)
  })
}

/** The parts of the steps that decide where text is split, as text. */
function splittingText(steps: readonly object[]): string {
  const texts = steps.map((step) => {
    const {
      type,
      pretokenizers,
      pattern,
      behavior,
      use_regex = true,
      individual_digits,
    } = step as Record<string, unknown>
    if (type === 'Sequence') return splittingText(pretokenizers as object[])
    return JSON.stringify(
      type === 'ByteLevel' ? [type, use_regex] : [type, pattern, behavior, individual_digits],
    )
  })
  return texts.join()
}

/** `tokenizer.ggml.token_type` */
export const tokenTypes = { NORMAL: 1, UNKNOWN: 2, CONTROL: 3, USER_DEFINED: 4, UNUSED: 5, BYTE: 6 } as const
const { CONTROL, USER_DEFINED } = tokenTypes

/**
 * Makes `tokenizer.json` and `tokenizer_config.json` from a GGUF file's metadata (byte-level BPE, `gpt2`).
 * `file` is for messages. Throws for other tokenizer models and unknown pre-tokenizers, listing the supported
 * ones.
 */
export function ggufTokenizer(metadata: Readonly<Record<string, unknown>>, file: string): GgufTokenizer {
  const model = metadata['tokenizer.ggml.model']
  if (model !== 'gpt2')
    throw new Error(`${file}: tokenizer.ggml.model is '${String(model)}', supported: gpt2 (byte-level BPE)`)
  const pre = String(metadata['tokenizer.ggml.pre'] ?? 'default')
  const splitting = Object.hasOwn(splittings, pre) ? splittings[pre] : undefined
  if (!splitting)
    throw new Error(
      `${file}: tokenizer.ggml.pre is '${pre}', supported: ${Object.keys(splittings).join(', ')}`,
    )
  if (pre === 'default')
    logger.warning(`${file}: tokenizer.ggml.pre does not say how text is split; GPT-2's rule is used`)

  const tokens = list(metadata, 'tokenizer.ggml.tokens', file, isText, 'text')
  const merges = list(metadata, 'tokenizer.ggml.merges', file, isPair, 'two tokens with a space between')
  const types = list(metadata, 'tokenizer.ggml.token_type', file, isInteger, 'an integer')
  if (types.length !== tokens.length) {
    throw new Error(
      `${file}: tokenizer.ggml.token_type has ${types.length} entries for ${tokens.length} tokens`,
    )
  }
  const named = (kind: string): string | undefined => {
    const id = metadata[`tokenizer.ggml.${kind}_token_id`]
    return id === undefined ? undefined : tokens[Number(id)]
  }
  const added = [...tokens.keys()].filter((i) => types[i] === CONTROL || types[i] === USER_DEFINED)
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map((id) => ({
      id,
      content: tokens[id],
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: types[id] === CONTROL,
    })),
    normalizer: splitting.normalizer ?? null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: splitting.steps },
    post_processor: null,
    decoder: { ...byteLevel(true), add_prefix_space: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: splitting.ignore_merges ?? false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      // A byte-level token never contains a space, so the pair has exactly one.
      merges: merges.map((pair) => pair.split(' ')),
    },
  }
  const architecture = String(metadata['general.architecture'])
  const context = metadata[`${architecture}.context_length`]
  const config: Record<string, unknown> = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    add_bos_token: metadata['tokenizer.ggml.add_bos_token'] ?? false,
    add_eos_token: metadata['tokenizer.ggml.add_eos_token'] ?? false,
    bos_token: named('bos'),
    eos_token: named('eos'),
    unk_token: named('unknown'),
    pad_token: named('padding'),
    chat_template: metadata['tokenizer.chat_template'],
    model_max_length: context === undefined ? undefined : Number(context),
  }
  return { tokenizer, config }
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isPair = (value: unknown): value is string => isText(value) && value.split(' ').length === 2
const isInteger = (value: unknown): value is number => Number.isInteger(value)

function list<T>(
  metadata: Readonly<Record<string, unknown>>,
  key: string,
  file: string,
  fits: (value: unknown) => value is T,
  expected: string,
): T[] {
  const value = metadata[key]
  if (!Array.isArray(value)) throw new Error(`${file}: the metadata has no list ${key}`)
  const wrong = value.findIndex((entry) => !fits(entry))
  if (wrong === -1) return value as T[]
  throw new Error(`${file}: ${key}[${wrong}] is ${shown(value[wrong])}; expected ${expected}`)
}

function shown(value: unknown): string {
  return (typeof value === 'string' ? JSON.stringify(value) : String(value)).slice(0, 60)
}
