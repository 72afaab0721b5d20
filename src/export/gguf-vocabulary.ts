import { preTokenizerName, splittings, tokenTypes } from '../data/gguf-tokenizer'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { GgufEntry } from '../files/gguf-write'
import { parseJsonObject } from '../files/json'
import { logger } from '../logging'
import { sentencePieceScores, spaceIsPrefixed } from './sentencepiece'

interface AddedToken {
  id: number
  content: string
  special: boolean
}

interface TokenizerJson {
  added_tokens?: AddedToken[]
  model: {
    type: string
    vocab: Record<string, number>
    merges?: (string | [string, string])[]
    byte_fallback?: boolean
    unk_token?: string | null
  }
}

/** The tokenizer as a GGUF file's metadata: vocabulary, special tokens, end tokens, chat template. */
export async function ggufVocabulary(
  tokenizer: PreTrainedTokenizer,
  vocabSize: number,
  endTokens: readonly number[],
): Promise<Record<string, GgufEntry>> {
  const text = await tokenizer.to_str()
  const json = parseJsonObject(`the tokenizer of '${tokenizer.name_or_path}'`, text)
  const { model } = json as unknown as TokenizerJson
  if (model.type !== 'BPE')
    throw new Error(
      `[save_pretrained_gguf] the tokenizer of '${tokenizer.name_or_path}' is of type ${model.type}; supported: BPE, byte-level or SentencePiece's`,
    )
  const kind = model.byte_fallback ? sentencePiece(json, vocabSize) : byteLevel(json, tokenizer, vocabSize)
  return {
    ...kind,
    ...(await specialTokens(tokenizer, endTokens)),
    ...templates(tokenizer),
  }
}

function byteLevel(
  json: Record<string, unknown>,
  tokenizer: PreTrainedTokenizer,
  vocabSize: number,
): Record<string, GgufEntry> {
  const pre = preTokenizerName(json)
  if (pre === undefined)
    throw new Error(
      `[save_pretrained_gguf] the tokenizer of '${tokenizer.name_or_path}' splits text by a rule that is none of ${Object.keys(splittings).join(', ')}`,
    )
  const { model } = json as unknown as TokenizerJson
  const merges = (model.merges ?? []).map((pair) => (typeof pair === 'string' ? pair : pair.join(' ')))
  const { tokens, types } = tokenLists(json as unknown as TokenizerJson, vocabSize)
  return {
    'tokenizer.ggml.model': ['string', 'gpt2'],
    'tokenizer.ggml.pre': ['string', pre],
    'tokenizer.ggml.tokens': ['string[]', tokens],
    'tokenizer.ggml.token_type': ['int32[]', types],
    'tokenizer.ggml.merges': ['string[]', merges],
  }
}

/** SentencePiece's BPE: llama.cpp merges by the tokens' scores. */
function sentencePiece(json: Record<string, unknown>, vocabSize: number): Record<string, GgufEntry> {
  const { model } = json as unknown as TokenizerJson
  const { tokens, types } = tokenLists(json as unknown as TokenizerJson, vocabSize)
  return {
    'tokenizer.ggml.model': ['string', 'llama'],
    'tokenizer.ggml.pre': ['string', 'default'],
    'tokenizer.ggml.tokens': ['string[]', tokens],
    'tokenizer.ggml.scores': ['float32[]', sentencePieceScores(tokens, model.merges ?? [])],
    'tokenizer.ggml.token_type': ['int32[]', types],
    'tokenizer.ggml.add_space_prefix': ['bool', spaceIsPrefixed(json)],
  }
}

/** Tokens and their types by id; ids of the model without a token get placeholders. */
function tokenLists(
  { model, added_tokens = [] }: TokenizerJson,
  vocabSize: number,
): { tokens: string[]; types: number[] } {
  const tokens = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`)
  const types = Array<number>(vocabSize).fill(tokenTypes.UNUSED)
  const set = (id: number, token: string, type: number): void => {
    if (id >= vocabSize)
      throw new Error(
        `[save_pretrained_gguf] token '${token}' has id ${id}; the model's vocabulary has ${vocabSize}`,
      )
    tokens[id] = token
    types[id] = type
  }
  for (const [token, id] of Object.entries(model.vocab)) {
    const isByte = model.byte_fallback && /^<0x[0-9A-F]{2}>$/.test(token)
    set(id, token, isByte ? tokenTypes.BYTE : tokenTypes.NORMAL)
  }
  for (const { id, content, special } of added_tokens) {
    const isUnknown = model.byte_fallback && content === model.unk_token
    // As in llama.cpp's converter: tokens of chat templates are control tokens, even if the tokenizer does not
    // mark them as special.
    const isControl = special || /^<\|.*\|>$/.test(content)
    set(
      id,
      content,
      isUnknown ? tokenTypes.UNKNOWN : isControl ? tokenTypes.CONTROL : tokenTypes.USER_DEFINED,
    )
  }
  return { tokens, types }
}

async function specialTokens(
  tokenizer: PreTrainedTokenizer,
  endTokens: readonly number[],
): Promise<Record<string, GgufEntry>> {
  const eos = tokenizer.eos_token_id ?? endTokens[0] ?? null
  const ids = {
    bos: tokenizer.bos_token_id,
    eos,
    unknown: tokenizer.unk_token_id,
    padding: tokenizer.pad_token_id,
    ...furtherEnds(
      tokenizer,
      endTokens.filter((id) => id !== eos),
    ),
  }
  const [bare, full] = [false, true].map((add_special_tokens) =>
    tokenizer.encode('a', { add_special_tokens }),
  )
  const added = (await full!).length - (await bare!).length
  const ends = await full!
  const addsBos = added > 0 && ends[0] === ids.bos
  const addsEos = added > 0 && ends.at(-1) === tokenizer.eos_token_id && !(addsBos && added === 1)
  return {
    ...Object.fromEntries(
      Object.entries(ids)
        .filter(([, id]) => id !== null)
        .map(([name, id]): [string, GgufEntry] => [`tokenizer.ggml.${name}_token_id`, ['uint32', id!]]),
    ),
    'tokenizer.ggml.add_bos_token': ['bool', addsBos],
    'tokenizer.ggml.add_eos_token': ['bool', addsEos],
  }
}

/** In addition to the end token, llama.cpp has keys for the end of a turn and the end of a message. */
function furtherEnds(
  tokenizer: PreTrainedTokenizer,
  others: readonly number[],
): Record<string, number | null> {
  const named = (pattern: RegExp): number | null =>
    others.find((id) => pattern.test(tokenizer.convert_ids_to_tokens(id) ?? '')) ?? null
  const eom = named(/eom/i)
  const eot = others.find((id) => id !== eom) ?? null
  const rest = others.filter((id) => id !== eom && id !== eot)
  if (rest.length > 0)
    logger.warning(
      `[save_pretrained_gguf] a GGUF file names at most three end tokens: left out are ${rest.map((id) => `'${tokenizer.convert_ids_to_tokens(id)}'`).join(', ')}`,
    )
  return { eot, eom }
}

function templates(tokenizer: PreTrainedTokenizer): Record<string, GgufEntry> {
  const own = tokenizer.chat_template
  if (own === null) {
    logger.warning(
      `[save_pretrained_gguf] the tokenizer of '${tokenizer.name_or_path}' has no chat template: programs that read the file will guess one. Set tokenizer.chat_template first`,
    )
    return {}
  }
  if (typeof own === 'string') return { 'tokenizer.chat_template': ['string', own] }
  const { default: main, ...others } = own
  const names = Object.keys(others)
  return {
    ...(main !== undefined && { 'tokenizer.chat_template': ['string', main] as const }),
    ...(names.length > 0 && { 'tokenizer.chat_templates': ['string[]', names] as const }),
    ...Object.fromEntries(
      names.map((name): [string, GgufEntry] => [
        `tokenizer.chat_template.${name}`,
        ['string', others[name]!],
      ]),
    ),
  }
}
