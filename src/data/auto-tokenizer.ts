import { readdir, stat } from 'node:fs/promises'
import { AddedToken, Tokenizer as NativeTokenizer, templateProcessing } from 'tokenizers'
import { z } from 'zod'

import { messageOf } from '../files/atomic'
import { openGguf } from '../files/gguf'
import { parseJsonObject } from '../files/json'
import { list_repo_files, resolve_file } from '../files/hub'
import { readTextFile } from '../files/text'
import { logger } from '../logging'
import { type OptionSet } from '../options/declaration'
import { givenHubSettings, hubSettings } from '../options/hub'
import { parseOptions } from '../options/parse'
import { ggufTokenizer } from './gguf-tokenizer'
import { specialTokenNames, tokenContent } from './special-tokens'
import { PreTrainedTokenizer, VERY_LARGE_INTEGER } from './tokenizer'

/** Options of `AutoTokenizer.from_pretrained`, with transformers' names. The last ones override tokenizer_config.json. */
export interface TokenizerOptions {
  revision?: string | null
  token?: string | boolean | null
  cache_dir?: string | null
  local_files_only?: boolean
  /** Accepted; no code of a repository is ever run. */
  trust_remote_code?: boolean
  /** A GGUF file of the folder or repository to read the tokenizer from. */
  gguf_file?: string | null
  /** Only true: there is one implementation, the fast one. */
  use_fast?: boolean
  padding_side?: 'left' | 'right' | null
  truncation_side?: 'left' | 'right' | null
  model_max_length?: number | null
  add_bos_token?: boolean | null
  add_eos_token?: boolean | null
  bos_token?: string | null
  eos_token?: string | null
  unk_token?: string | null
  pad_token?: string | null
  chat_template?: string | null
  signal?: AbortSignal
}

type ParsedOptions = Required<Omit<TokenizerOptions, 'signal' | 'use_fast'>>
type Json = Record<string, unknown>

const text = z.string().nullable()
const side = z.enum(['left', 'right']).nullable()
const flag = z.boolean().nullable()
const overrides = 'Overrides tokenizer_config.json; null leaves it.'

const optionSet: OptionSet<ParsedOptions> = {
  owner: 'AutoTokenizer.from_pretrained',
  options: {
    ...hubSettings,
    trust_remote_code: { schema: z.boolean(), default: false, doc: 'Accepted; no remote code is ever run.' },
    gguf_file: { schema: text, default: null, doc: 'GGUF file to read the tokenizer from.' },
    padding_side: { schema: side, default: null, doc: overrides },
    truncation_side: { schema: side, default: null, doc: overrides },
    model_max_length: { schema: z.int().positive().nullable(), default: null, doc: overrides },
    add_bos_token: { schema: flag, default: null, doc: overrides },
    add_eos_token: { schema: flag, default: null, doc: overrides },
    bos_token: { schema: text, default: null, doc: overrides },
    eos_token: { schema: text, default: null, doc: overrides },
    unk_token: { schema: text, default: null, doc: overrides },
    pad_token: { schema: text, default: null, doc: overrides },
    chat_template: { schema: text, default: null, doc: overrides },
  },
  refused: { use_fast: { default: true, reason: 'there is one implementation, the fast one' } },
}

/** Loads tokenizers by folder or hub name. */
export class AutoTokenizer {
  /**
   * Reads tokenizer.json, tokenizer_config.json, special_tokens_map.json and chat_template.jinja, or a GGUF file's
   * metadata with `gguf_file`, from a local folder, the hub cache or the hub. Length limits and padding stored in
   * tokenizer.json are not applied. Throws on an unknown option, a missing or broken file.
   */
  static async from_pretrained(
    name_or_path: string,
    options: TokenizerOptions = {},
  ): Promise<PreTrainedTokenizer> {
    const { signal, ...given } = options
    const opts = parseOptions(optionSet, given)
    if (opts.trust_remote_code)
      logger.info('trust_remote_code is accepted, but no code of a repository is ever run')
    const find = (file: string): Promise<string | undefined> =>
      resolve_file(name_or_path, file, { ...givenHubSettings(opts), signal })
    const source =
      opts.gguf_file === null
        ? await readFolder(name_or_path, find, opts, signal)
        : await readGguf(name_or_path, find, opts.gguf_file)
    const config = withoutNulls({ ...source.config, ...withoutNulls(opts) })
    const native = source.native
    addConfiguredTokens(native, source.specials, config)
    setBeginAndEnd(native, config)
    return new PreTrainedTokenizer(native, {
      name_or_path,
      special: Object.fromEntries(specialTokenNames.map((name) => [name, tokenContent(config[name])])),
      extraSpecialTokens: source.specials,
      chat_template: chatTemplates(config['chat_template']),
      model_max_length:
        typeof config['model_max_length'] === 'number' ? config['model_max_length'] : VERY_LARGE_INTEGER,
      padding_side: config['padding_side'] === 'left' ? 'left' : 'right',
      truncation_side: config['truncation_side'] === 'left' ? 'left' : 'right',
    })
  }
}

interface Source {
  native: NativeTokenizer
  config: Json
  /** Contents of the added tokens that are marked special. */
  specials: string[]
}

type Find = (file: string) => Promise<string | undefined>

async function readFolder(
  name: string,
  find: Find,
  opts: ParsedOptions,
  signal: AbortSignal | undefined,
): Promise<Source> {
  const path = await find('tokenizer.json')
  if (path === undefined) {
    const files = await filesOf(name, opts, signal)
    throw new Error(
      `'${name}' has no tokenizer.json (sentencepiece files alone are not read). It has: ${files}`,
    )
  }
  const [config, map, template] = await Promise.all([
    readJson(await find('tokenizer_config.json')),
    readJson(await find('special_tokens_map.json')),
    readText(await find('chat_template.jinja')),
  ])
  const json = (await readText(path)) ?? ''
  return {
    ...build(json, path),
    // special_tokens_map.json is the older file; transformers lets tokenizer_config.json win.
    config: { ...map, ...config, ...(template === undefined ? {} : { chat_template: template }) },
  }
}

async function readGguf(name: string, find: Find, file: string): Promise<Source> {
  const path = await find(file)
  if (path === undefined) throw new Error(`'${name}' has no file ${file}`)
  const { tokenizer, config } = ggufTokenizer((await openGguf(path)).metadata, path)
  return { ...build(JSON.stringify(tokenizer), path), config }
}

function build(json: string, path: string): { native: NativeTokenizer; specials: string[] } {
  const parsed = parseJsonObject(path, json) as { added_tokens?: { content: string; special?: boolean }[] }
  try {
    const specials = (parsed.added_tokens ?? [])
      .filter((token) => token.special)
      .map((token) => token.content)
    return { native: NativeTokenizer.fromString(json), specials }
  } catch (error) {
    throw new Error(`${path}: not a tokenizer of the tokenizers library: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** Tokens that only tokenizer_config.json declares: named ones become special, `added_tokens_decoder`'s get their flags. */
function addConfiguredTokens(native: NativeTokenizer, specials: string[], config: Json): void {
  const declared = Object.values((config['added_tokens_decoder'] ?? {}) as Record<string, Json>)
  for (const token of declared) {
    const content = tokenContent(token)
    if (content === null || native.tokenToId(content) !== null) continue
    const special = token['special'] === true
    native.addAddedTokens([
      new AddedToken(content, special, {
        singleWord: token['single_word'] === true,
        leftStrip: token['lstrip'] === true,
        rightStrip: token['rstrip'] === true,
        normalized: token['normalized'] === true,
      }),
    ])
    if (special) specials.push(content)
  }
  const lists = ['additional_special_tokens', 'extra_special_tokens'].flatMap((key) =>
    Array.isArray(config[key]) ? config[key] : [],
  )
  for (const value of [...specialTokenNames.map((name) => config[name]), ...lists]) {
    const content = tokenContent(value)
    if (content === null || specials.includes(content)) continue
    native.addSpecialTokens([content])
    specials.push(content)
  }
}

/** An `add_bos_token` or `add_eos_token`, from the file or the caller, replaces tokenizer.json's own rule, as in transformers 5. */
function setBeginAndEnd(native: NativeTokenizer, config: Json): void {
  if (config['add_bos_token'] === undefined && config['add_eos_token'] === undefined) return
  const used = (flagName: string, name: string): string | null =>
    config[flagName] === true ? tokenContent(config[name]) : null
  const bos = used('add_bos_token', 'bos_token')
  const eos = used('add_eos_token', 'eos_token')
  const around = (sequence: string, type: number): string =>
    [bos, sequence, eos].flatMap((token) => (token === null ? [] : `${token}:${type}`)).join(' ')
  const ids = [bos, eos].flatMap((token): [string, number][] =>
    token === null ? [] : [[token, native.tokenToId(token) ?? 0]],
  )
  native.setPostProcessor(
    templateProcessing(
      around('$A', 0),
      `${around('$A', 0)} ${around('$B', 1)}`,
      bos === eos ? ids.slice(0, 1) : ids,
    ),
  )
}

/** A template, several by name (older files list them as `{ name, template }`), or null. */
function chatTemplates(value: unknown): string | Record<string, string> | null {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return null
  if (!Array.isArray(value)) return value as Record<string, string>
  const templates = value as { name: string; template: string }[]
  return Object.fromEntries(templates.map(({ name, template }) => [name, template]))
}

async function filesOf(name: string, opts: ParsedOptions, signal: AbortSignal | undefined): Promise<string> {
  const isFolder = await stat(name).then(
    (s) => s.isDirectory(),
    () => false,
  )
  const files = isFolder
    ? await readdir(name)
    : await list_repo_files({ repo_id: name, ...givenHubSettings(opts), signal })
  return files.slice(0, 40).join(', ') || 'no files'
}

async function readText(path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : await readTextFile(path)
}

async function readJson(path: string | undefined): Promise<Json> {
  const content = await readText(path)
  if (content === undefined) return {}
  const config = parseJsonObject(path!, content)
  for (const name of specialTokenNames) {
    const value = config[name]
    if (value === null || value === undefined || tokenContent(value) !== null) continue
    throw new TypeError(
      `${path}: ${name} is ${JSON.stringify(value)}; expected text, or an object with content`,
    )
  }
  return config
}

function withoutNulls(values: Json): Json {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== null && value !== undefined),
  )
}
