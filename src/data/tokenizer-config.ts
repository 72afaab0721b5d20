import { type Tokenizer as NativeTokenizer } from 'tokenizers'
import { z } from 'zod'

import { specialTokenNames, tokenContent } from './special-tokens'

const flag = z.boolean().nullish().describe('true or false')
const content = z.looseObject({
  content: z.string(),
  lstrip: flag,
  rstrip: flag,
  single_word: flag,
  normalized: flag,
  special: flag,
})
const token = z.union([z.string(), content])
const tokenOrNull = token
  .nullish()
  .describe('a text or an object with content, and flags that are true or false')
const tokens = z.array(token)
const named = z.record(z.string(), z.string())
const side = z.enum(['left', 'right']).nullish().describe("'left' or 'right'")
const text = z.string().nullish().describe('a text')

/**
 * tokenizer_config.json and special_tokens_map.json: the fields that are read, and those that indicate wrong
 * use. Others are ignored, as in transformers.
 */
const schema = z.looseObject({
  ...(Object.fromEntries(specialTokenNames.map((name) => [name, tokenOrNull])) as Record<string, z.ZodType>),
  ...{ sep_token: tokenOrNull, cls_token: tokenOrNull, mask_token: tokenOrNull },
  model_max_length: z.number().positive().nullish().describe('a number above 0'),
  padding_side: side,
  truncation_side: side,
  add_bos_token: flag,
  add_eos_token: flag,
  added_tokens_decoder: z
    .record(z.string().regex(/^\d+$/), content)
    .nullish()
    .describe('an object of id to { content, ... }'),
  additional_special_tokens: tokens.nullish().describe('a list of tokens'),
  extra_special_tokens: z
    .union([tokens, z.record(z.string(), token)])
    .nullish()
    .describe('a list of tokens, or an object of name to token'),
  chat_template: z
    .union([z.string(), named, z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish()
    .describe('a text, or a list of { name, template }'),
  tokenizer_class: text,
  clean_up_tokenization_spaces: flag,
  // true would leave special tokens in a text as plain text.
  split_special_tokens: z.literal(false).nullish().describe('false: splitting special tokens is not built'),
})

/** Checks a tokenizer's configuration. @throws TypeError naming the file, the field and what fits. */
export function checkTokenizerConfig(path: string, config: Readonly<Record<string, unknown>>): void {
  const name = schema.safeParse(config).error?.issues[0]?.path[0]
  if (name === undefined) return
  const given = JSON.stringify(config[name as string])?.slice(0, 100)
  const needs = (schema.shape as Record<string, z.ZodType>)[name as string]?.description
  throw new TypeError(`${path}: ${String(name)}: got ${given}, needs ${needs}`)
}

/**
 * Checks that the begin, end and unknown token are in the vocabulary: an id added for one of them would be
 * outside the model's embedding. @throws Error naming the file and the token.
 */
export function checkNamedTokens(
  path: string,
  config: Readonly<Record<string, unknown>>,
  native: NativeTokenizer,
): void {
  for (const name of ['bos_token', 'eos_token', 'unk_token']) {
    const content = tokenContent(config[name])
    if (content !== null && native.tokenToId(content) === null)
      throw new Error(
        `${path}: ${name}: '${content}' is not in the vocabulary, so the model has no embedding for it`,
      )
  }
}

/** Checks that a vocabulary has tokens with distinct ids. @throws Error naming the file and two of the tokens. */
export function checkVocabulary(path: string, model: unknown): void {
  const vocab = (model as { vocab?: unknown } | null | undefined)?.vocab
  if (typeof vocab !== 'object' || vocab === null) return
  if (Object.keys(vocab).length === 0) throw new Error(`${path}: model.vocab is empty`)
  if (Array.isArray(vocab)) return
  const seen = new Map<unknown, string>()
  for (const [content, id] of Object.entries(vocab)) {
    const other = seen.get(id)
    if (other !== undefined)
      throw new Error(`${path}: model.vocab gives '${other}' and '${content}' the same id ${String(id)}`)
    seen.set(id, content)
  }
}

/**
 * Checks that a template post-processor, alone or in a sequence, describes each special token that it uses; the
 * native library would abort the process otherwise. @throws Error naming the file and the token.
 */
export function checkPostProcessor(path: string, processor: unknown): void {
  if (typeof processor !== 'object' || processor === null) return
  const { processors, special_tokens, single, pair } = processor as Record<string, unknown>
  if (Array.isArray(processors)) for (const one of processors) checkPostProcessor(path, one)
  const known = Object.keys(special_tokens ?? {})
  for (const piece of [single, pair].flatMap((pieces) =>
    Array.isArray(pieces) ? pieces : [],
  ) as unknown[]) {
    const id = (piece as { SpecialToken?: { id?: string } } | null)?.SpecialToken?.id
    if (id !== undefined && !known.includes(id))
      throw new Error(`${path}: post_processor places '${id}', which its special_tokens do not describe`)
  }
}

/** Every special token in a configuration, as written there: named ones, lists, and other `*_token` keys. */
export function configuredTokens(config: Readonly<Record<string, unknown>>): unknown[] {
  const extra = config['extra_special_tokens'] ?? {}
  // As in transformers 5: the older list is used if there is no newer one.
  const older = Object.keys(extra).length > 0 ? [] : (config['additional_special_tokens'] ?? [])
  const own = specialTokenNames.map((name) => config[name])
  const others = Object.entries(config).filter(
    ([name, value]) => name.endsWith('_token') && !/^add_/.test(name) && tokenContent(value) !== null,
  )
  return [...own, ...others.map(([, value]) => value), ...(older as unknown[]), ...Object.values(extra)]
}
