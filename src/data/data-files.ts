import { parse as parseYaml } from 'yaml'
import { z } from 'zod'

import { messageOf } from '../files/atomic'
import { globMatcher } from '../files/glob'
import { unknownNameError } from '../options/nearest'
import { formatOf } from './read-rows'

/** The files for `load_dataset`: patterns for one split 'train', or patterns by split. */
export type DataFiles = string | readonly string[] | Readonly<Record<string, string | readonly string[]>>

/** The files of one split. */
export interface SplitFiles {
  files: string[]
  /** Patterns that no file matched: an error when the split is read. */
  unmatched: string[]
}

interface CardConfig {
  config_name?: string | null
  data_dir?: string | null
  data_files?: string | (string | { split: string; path: string | string[] })[] | null
  default?: boolean | null
}

const patternList = z.union([z.string(), z.array(z.string())])
const cardConfig = z.looseObject({
  config_name: z.string().nullish(),
  data_dir: z.string().nullish(),
  data_files: z
    .union([
      z.string(),
      z.array(z.union([z.string(), z.looseObject({ split: z.string(), path: patternList })])),
    ])
    .nullish(),
  default: z.boolean().nullish(),
})

const keywords: Readonly<Record<string, readonly string[]>> = {
  train: ['train', 'training'],
  validation: ['validation', 'valid', 'dev', 'val'],
  test: ['test', 'testing', 'eval', 'evaluation'],
}

/**
 * The data files of each split among `files` (paths relative to the data set's root, with `/`): those that the
 * data card's `configs` list, else those of Hugging Face's rules for file and folder names.
 *
 * @throws Error when there are no data files, listing the existing files; for an unknown configuration,
 * listing the known ones.
 */
export function filesBySplit(
  files: readonly string[],
  card: string,
  { name, data_dir }: { name?: string | null; data_dir?: string | null },
): Map<string, SplitFiles> {
  const configs = cardConfigs(card)
  if (configs.length === 0 && name)
    throw new Error(`[load_dataset] name '${name}' was given, but the data card names no configurations`)
  const config = configs.length === 0 || (data_dir && !name) ? {} : chosenConfig(configs, name)
  const root = [data_dir, config.data_dir].filter(Boolean).join('/').replace(/\/+$/, '')
  const patterns = config.data_files
  if (patterns === undefined || patterns === null) return discover(files, root)
  const entries = typeof patterns === 'string' ? [patterns] : patterns
  const bySplit: Record<string, string[]> = {}
  for (const entry of entries) {
    const { split, path } = typeof entry === 'string' ? { split: 'train', path: entry } : entry
    ;(bySplit[split] ??= []).push(...(typeof path === 'string' ? [path] : path))
  }
  return matchFiles(files, bySplit, root)
}

/** The files that the patterns of each split match. */
export function matchFiles(
  files: readonly string[],
  dataFiles: DataFiles,
  root: string = '',
): Map<string, SplitFiles> {
  const bySplit = typeof dataFiles === 'string' || isList(dataFiles) ? { train: dataFiles } : dataFiles
  const result = new Map<string, SplitFiles>()
  for (const [split, given] of Object.entries(bySplit)) {
    const found = new Set<string>()
    const unmatched: string[] = []
    for (const pattern of typeof given === 'string' ? [given] : given) {
      const full = (root === '' || pattern.startsWith('/') ? pattern : `${root}/${pattern}`).replace(
        /^\.\//,
        '',
      )
      const isMatch = globMatcher(full)
      const matching = files.filter((file) => file === full || isMatch(file)).sort()
      if (matching.length === 0) unmatched.push(full)
      for (const file of matching) found.add(file)
    }
    result.set(split, { files: [...found], unmatched })
  }
  return result
}

/**
 * Throws when a pattern of the split matched nothing, or when numbered parts (`-00000-of-00002`) are missing:
 * an incomplete copy, or an incomplete cache when offline, must not be used as the whole.
 */
export function requireWhole(split: string, { files, unmatched }: SplitFiles, all: readonly string[]): void {
  const [pattern] = unmatched
  if (pattern !== undefined) {
    throw new Error(`[load_dataset] split '${split}': '${pattern}' matches no file. Files: ${listing(all)}`)
  }
  for (const file of files) {
    const [, before, total = '0', after] = /^(.*-)\d{5}-of-(\d{5})(.*)$/.exec(file) ?? []
    const parts = Array.from(
      { length: Number(total) },
      (_, i) => `${before}${String(i).padStart(5, '0')}-of-${total}`,
    )
    // Some names contain a hash of their part, so only the numbers are compared.
    const missing = parts.find((part) => !files.some((other) => other.startsWith(part)))
    if (missing !== undefined) {
      throw new Error(
        `[load_dataset] split '${split}' is not whole: there is ${file}, but no ${missing}${after}`,
      )
    }
  }
}

function isList(dataFiles: DataFiles): dataFiles is readonly string[] {
  return Array.isArray(dataFiles)
}

function cardConfigs(card: string): CardConfig[] {
  const header = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---(\r?\n|$)/.exec(card)?.[1]
  if (header === undefined) return []
  let data: unknown
  try {
    data = parseYaml(header)
  } catch (error) {
    throw new Error(`README.md: the data card's header is not valid YAML: ${messageOf(error)}`, {
      cause: error,
    })
  }
  const configs = (data as { configs?: unknown } | null)?.configs
  if (configs === undefined || configs === null) return []
  const parsed = z.array(cardConfig).safeParse(configs)
  if (parsed.success) return parsed.data as CardConfig[]
  const { path, message } = parsed.error.issues[0]!
  throw new Error(
    `README.md: the data card's configs${path.map((key) => `[${String(key)}]`).join('')}: ${message}`,
  )
}

function chosenConfig(configs: readonly CardConfig[], name: string | null | undefined): CardConfig {
  const named = (config: CardConfig): string => config.config_name ?? 'default'
  if (name) {
    const found = configs.find((config) => named(config) === name)
    if (found) return found
    throw unknownNameError('load_dataset', name, configs.map(named), 'configuration')
  }
  const chosen =
    configs.find((c) => c.default) ??
    configs.find((c) => named(c) === 'default') ??
    (configs.length === 1 ? configs[0] : undefined)
  if (chosen) return chosen
  throw new Error(
    `[load_dataset] the data set has several configurations; choose one with { name }: ${configs.map(named).join(', ')}`,
  )
}

/**
 * Hugging Face's rules: sharded names in data/; else split names in folder and file names; else all files are
 * 'train'.
 */
function discover(files: readonly string[], root: string): Map<string, SplitFiles> {
  const inside = root === '' ? files : files.filter((file) => file.startsWith(`${root}/`))
  const data = inside.filter((file) => formatOf(file) !== undefined && !/(^|\/)[._]/.test(file))
  if (data.length === 0)
    throw new Error(
      `[load_dataset] no data files (json, jsonl, csv, tsv, parquet, txt). Files: ${listing(inside)}`,
    )
  const relative = (file: string): string => (root === '' ? file : file.slice(root.length + 1))

  const sharded = new Map<string, string[]>()
  for (const file of data) {
    const split = /^data\/([\w.]+)-\d{5}-of-\d{5}[^/]*$/.exec(relative(file))?.[1]
    if (split !== undefined) sharded.set(split, [...(sharded.get(split) ?? []), file].sort())
  }
  if (sharded.size > 0) return matched(sharded)

  const one = mostCommonFormat(data)
  const byWord = new Map<string, string[]>()
  for (const [split, words] of Object.entries(keywords)) {
    const word = new RegExp(`(^|[-._ 0-9/])(${words.join('|')})([-._ 0-9/]|$)`)
    const found = one.filter((file) => word.test(relative(file))).sort()
    if (found.length > 0) byWord.set(split, found)
  }
  return matched(byWord.size > 0 ? byWord : new Map([['train', [...one].sort()]]))
}

function matched(splits: Map<string, string[]>): Map<string, SplitFiles> {
  return new Map([...splits].map(([split, files]) => [split, { files, unmatched: [] }]))
}

/** A folder may contain the same rows in two formats. As in `datasets`, the format with the most files is read. */
function mostCommonFormat(files: readonly string[]): string[] {
  const groups = new Map<string | undefined, string[]>()
  for (const file of files) {
    const format = formatOf(file)
    groups.set(format, groups.get(format) ?? [])
    groups.get(format)?.push(file)
  }
  return [...groups.values()].reduce((most, group) => (group.length > most.length ? group : most), [])
}

/** File names, for a message. */
export function listing(files: readonly string[]): string {
  return files.length === 0
    ? 'none'
    : files.slice(0, 20).join(', ') + (files.length > 20 ? `, ... (${files.length} in all)` : '')
}
