import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AddedToken, Tokenizer as NativeTokenizer, templateProcessing } from 'tokenizers'
import { z } from 'zod'

import { messageOf } from '../files/atomic'
import { openGguf } from '../files/gguf'
import { parseJsonObject } from '../files/json'
import { HubError, list_repo_files, resolve_file } from '../files/hub'
import { readTextFile } from '../files/text'
import { type OptionSet } from '../options/declaration'
import { givenHubSettings, hubSettings } from '../options/hub'
import { parseOptions } from '../options/parse'
import { CHAT_TEMPLATE, CHAT_TEMPLATE_FOLDER } from './chat-templates'
import { ggufTokenizer } from './gguf-tokenizer'
import { specialTokenNames, tokenContent } from './special-tokens'
import {
  checkNamedTokens,
  checkPostProcessor,
  checkTokenizerConfig,
  checkVocabulary,
  configuredTokens,
} from './tokenizer-config'
import { PreTrainedTokenizer, VERY_LARGE_INTEGER } from './tokenizer'

/**
 * Options of `AutoTokenizer.from_pretrained`, with transformers' names. The last ones override
 * tokenizer_config.json.
 */
export interface TokenizerOptions {
  revision?: string | null
  token?: string | boolean | null
  cache_dir?: string | null
  local_files_only?: boolean
  /** Accepted; no code of a repository is ever run. */
  trust_remote_code?: boolean
  /** A GGUF file of the folder or repository to read the tokenizer from. */
  gguf_file?: string | null
  /** Accepted; there is only one implementation, the fast one. */
  use_fast?: boolean
  /** Further special tokens; missing ones are added to the vocabulary. */
  additional_special_tokens?: readonly string[] | null
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

type ParsedOptions = Required<Omit<TokenizerOptions, 'signal'>>
type Json = Record<string, unknown>

const text = z.string().nullable()
const side = z.enum(['left', 'right']).nullable()
const flag = z.boolean().nullable()
const overrides = 'Overrides tokenizer_config.json; null leaves it.'

const optionSet: OptionSet<ParsedOptions> = {
  owner: 'AutoTokenizer.from_pretrained',
  options: {
    ...hubSettings,
    trust_remote_code: {
      schema: z.boolean(),
      default: false,
      inert: true,
      doc: 'No remote code is ever run.',
    },
    use_fast: {
      schema: z.boolean(),
      default: true,
      inert: true,
      doc: 'There is one implementation, the fast one.',
    },
    additional_special_tokens: {
      schema: z.array(z.string()).nullable(),
      default: null,
      doc: 'Further special tokens; those that the vocabulary lacks are added to it.',
    },
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
  refused: {},
}

/** Loads tokenizers by folder or hub name. */
export class AutoTokenizer {
  /**
   * Reads tokenizer.json, tokenizer_config.json, special_tokens_map.json, chat_template.jinja and
   * additional_chat_templates/, or with `gguf_file` a GGUF file's metadata, from a local folder, the hub cache
   * or the hub. Length limits and padding in tokenizer.json are not applied. Throws on an unknown option and on
   * a missing or damaged file.
   */
  static async from_pretrained(
    name_or_path: string,
    options: TokenizerOptions = {},
  ): Promise<PreTrainedTokenizer> {
    const { signal, ...given } = options
    const opts = parseOptions(optionSet, given)
    const find = (file: string): Promise<string | undefined> =>
      resolve_file(name_or_path, file, { ...givenHubSettings(opts), signal })
    const source =
      opts.gguf_file === null
        ? await readFolder(name_or_path, find, opts, signal)
        : await readGguf(name_or_path, find, opts.gguf_file)
    const config = withoutNulls({ ...source.config, ...withoutNulls(opts) })
    const native = source.native
    const decoder = Object.values((config['added_tokens_decoder'] ?? {}) as Record<string, Json>)
    addDeclaredTokens(native, source.specials, decoder)
    addGivenTokens(native, source.specials, opts)
    checkNamedTokens(source.file, config, native)
    addSpecialTokens(native, source.specials, config)
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
  /** The configuration's file, for messages. */
  file: string
  /** Texts of the added tokens that are marked special. */
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
    const files = (await filesOf(name, opts, signal)).slice(0, 40).join(', ') || 'no files'
    throw new Error(
      `'${name}' has no tokenizer.json (sentencepiece files alone are not read). It has: ${files}`,
    )
  }
  const configPath = await find('tokenizer_config.json')
  const own = await readConfig(configPath)
  const map = await readConfig(await find('special_tokens_map.json'))
  const templates = await readTemplates(await filesOf(name, opts, signal), find)
  // special_tokens_map.json is the older file; as in transformers, tokenizer_config.json has priority. The
  // file's add_bos_token and add_eos_token are ignored if there is a tokenizer.json, which has rules of its
  // own.
  const { add_bos_token: _bos, add_eos_token: _eos, ...config } = { ...map, ...own }
  const file = configPath ?? path
  const built = build((await readText(path)) ?? '', path)
  return { ...built, config: { ...config, ...templates }, file }
}

/** Templates in their own files have priority over those in the configuration. */
async function readTemplates(files: readonly string[], find: Find): Promise<Json> {
  const single = await readText(await find(CHAT_TEMPLATE))
  const named: Record<string, string> = single === undefined ? {} : { default: single }
  for (const file of files.filter((f) => dirname(f) === CHAT_TEMPLATE_FOLDER && f.endsWith('.jinja')))
    named[basename(file, '.jinja')] = (await readText(await find(file))) ?? ''
  const names = Object.keys(named)
  if (names.length === 0) return {}
  return { chat_template: names.join() === 'default' ? named['default'] : named }
}

async function readGguf(name: string, find: Find, file: string): Promise<Source> {
  const path = await find(file)
  if (path === undefined) throw new Error(`'${name}' has no file ${file}`)
  const { tokenizer, config } = ggufTokenizer((await openGguf(path)).metadata, path)
  checkTokenizerConfig(path, config)
  return { ...build(JSON.stringify(tokenizer), path), config, file: path }
}

function build(json: string, path: string): { native: NativeTokenizer; specials: string[] } {
  const parsed = parseJsonObject(path, json) as {
    added_tokens?: { content: string; special?: boolean }[]
    model?: unknown
    post_processor?: unknown
  }
  checkVocabulary(path, parsed.model)
  checkPostProcessor(path, parsed.post_processor)
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

/**
 * The tokens in `added_tokens_decoder`, with their flags; as in transformers, these have priority over
 * tokenizer.json's.
 */
function addDeclaredTokens(native: NativeTokenizer, specials: string[], declared: Json[]): void {
  for (const token of declared) {
    const content = tokenContent(token)
    if (content === null) continue
    const special = token['special'] === true
    native.addAddedTokens([addedToken(content, special, token)])
    if (special && !specials.includes(content)) specials.push(content)
  }
}

/**
 * Adds the caller's special tokens to the vocabulary. As in transformers, the model's embedding must then be
 * resized.
 */
function addGivenTokens(native: NativeTokenizer, specials: string[], given: ParsedOptions): void {
  for (const name of specialTokenNames) {
    const content = given[name]
    if (content === null || native.tokenToId(content) !== null) continue
    native.addSpecialTokens([content])
    specials.push(content)
  }
}

/** Marks the tokens that tokenizer_config.json names as special. */
function addSpecialTokens(native: NativeTokenizer, specials: string[], config: Json): void {
  for (const value of configuredTokens(config)) {
    const content = tokenContent(value)
    if (content === null || specials.includes(content)) continue
    if (typeof value === 'object') native.addAddedTokens([addedToken(content, true, value as Json)])
    else native.addSpecialTokens([content])
    specials.push(content)
  }
}

function addedToken(content: string, special: boolean, flags: Json): AddedToken {
  return new AddedToken(content, special, {
    singleWord: flags['single_word'] === true,
    leftStrip: flags['lstrip'] === true,
    rightStrip: flags['rstrip'] === true,
    normalized: flags['normalized'] === true,
  })
}

/**
 * An `add_bos_token` or `add_eos_token` from the caller or a GGUF file replaces the tokenizer's own rule, as in
 * transformers 5.
 */
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

/** A template, several by name (in older files a list of `{ name, template }`), or null. */
function chatTemplates(value: unknown): string | Record<string, string> | null {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return null
  if (!Array.isArray(value)) return value as Record<string, string>
  const templates = value as { name: string; template: string }[]
  return Object.fromEntries(templates.map(({ name, template }) => [name, template]))
}

/** The files of a folder with those of its additional templates, or the files of a repository. */
async function filesOf(
  name: string,
  opts: ParsedOptions,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const isFolder = await stat(name).then(
    (s) => s.isDirectory(),
    () => false,
  )
  if (isFolder) {
    const templates = await readdir(join(name, CHAT_TEMPLATE_FOLDER)).catch(() => [])
    return [...(await readdir(name)), ...templates.map((file) => `${CHAT_TEMPLATE_FOLDER}/${file}`)]
  }
  const repo = { repo_id: name, ...givenHubSettings(opts), signal }
  return list_repo_files(repo).catch((error: unknown) => {
    if (error instanceof HubError && error.code === 'Network')
      return list_repo_files({ ...repo, local_files_only: true })
    throw error
  })
}

async function readText(path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : await readTextFile(path)
}

/** tokenizer_config.json or special_tokens_map.json, checked. */
async function readConfig(path: string | undefined): Promise<Json> {
  if (path === undefined) return {}
  const config = parseJsonObject(path, await readTextFile(path))
  checkTokenizerConfig(path, config)
  return config
}

function withoutNulls(values: Json): Json {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== null && value !== undefined),
  )
}
