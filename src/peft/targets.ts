import { unknownNameError } from '../options/nearest'
import { logger } from '../logging'
import type { LoraConfig } from './config'
import { PythonRegex } from './regex'

type Rules = Pick<
  LoraConfig,
  'target_modules' | 'exclude_modules' | 'modules_to_save' | 'layers_to_transform' | 'layers_pattern'
>
type Patterns = Pick<LoraConfig, 'r' | 'lora_alpha' | 'use_rslora' | 'rank_pattern' | 'alpha_pattern'>

const HEAD = 'lm_head'
const EMBEDDING = 'model.embed_tokens'
/** PEFT's default for Llama, Mistral and Qwen2 if target_modules is null. */
const DEFAULT_TARGETS = ['q_proj', 'v_proj']

const compiled = new Map<string, PythonRegex>()

/** One of the config's patterns in the form that PEFT matches. Each is compiled once. */
function regex(option: string, source: string, wrap: (source: string) => string = (s) => s): PythonRegex {
  const wrapped = wrap(source)
  const known = compiled.get(wrapped)
  if (known) return known
  let pattern: PythonRegex
  try {
    // Compiled alone first: `a)(b` is invalid, though the surrounding brackets would make it valid.
    pattern = new PythonRegex(source)
    if (wrapped !== source) pattern = new PythonRegex(wrapped)
  } catch (error) {
    const text = `[LoraConfig] ${option}: '${source}' is not a regular expression that can be used: ${(error as Error).message}`
    throw new TypeError(text, { cause: error })
  }
  if (compiled.size >= 100) compiled.clear()
  compiled.set(wrapped, pattern)
  return pattern
}

const anyList = (source: string): string => `.*?\\.${source}\\.(?P<idx>\\d+)\\.`
const namedList = (source: string): string => `(?:|.*?\\.)(?:${source})\\.(?P<idx>\\d+)\\.`
const ending = (source: string): string => `(.*\\.)?(${source})$`
const lastPart = (name: string): string => name.slice(name.lastIndexOf('.') + 1)
const isOrEndsWith = (name: string, ends: readonly string[]): boolean =>
  ends.some((end) => name === end || name.endsWith(`.${end}`))

/**
 * target_modules without its short forms, as adapter_config.json contains it: null becomes q_proj and v_proj;
 * 'all-linear' becomes the last parts of all names but the output head's.
 */
export function expandTargets(
  linearNames: readonly string[],
  targets: LoraConfig['target_modules'],
): string | string[] {
  if (targets === null) return [...DEFAULT_TARGETS]
  if (typeof targets !== 'string' || targets.toLowerCase() !== 'all-linear') return targets
  return [...new Set(linearNames.map(lastPart))].filter((part) => part !== HEAD).sort()
}

function isExcluded(name: string, rules: Rules): boolean {
  const { exclude_modules: exclude, modules_to_save: saved } = rules
  if (typeof exclude === 'string' && regex('exclude_modules', exclude).fullmatch(name)) return true
  if (Array.isArray(exclude) && isOrEndsWith(name, exclude)) return true
  // A module that is trained in full is replaced as a whole, so an adapter inside it would have no base.
  return (saved ?? []).some((m) => regex('modules_to_save', m, (s) => `(.*\\.)?${s}($|\\..*)`).match(name))
}

function isInLayers(name: string, rules: Rules): boolean {
  const { layers_to_transform: layers, layers_pattern: pattern } = rules
  if (layers === null || (Array.isArray(layers) && layers.length === 0)) return true
  const patterns = typeof pattern === 'string' ? [pattern] : (pattern ?? [])
  const sources = patterns.length === 0 ? ['[^.]*'] : patterns
  const layerOf = (source: string): string | undefined =>
    regex('layers_pattern', source, patterns.length === 0 ? anyList : namedList).match(name)?.['idx']
  const found = sources.map(layerOf).find((idx) => idx !== undefined)
  if (found === undefined) return false
  return Array.isArray(layers) ? layers.includes(Number(found)) : layers === Number(found)
}

/**
 * Names of the linear layers that get an adapter, by PEFT's rules. A list matches whole names or their ends
 * after a dot; a text is a regular expression for the whole name; 'all-linear' matches all but the output head.
 * Then layers_to_transform (not for whole names), exclude_modules and modules_to_save remove some.
 *
 * `linearNames`: full names of the model's linear layers, e.g. `model.layers.0.self_attn.q_proj`. Throws when
 * nothing is left; warns about a name in the list that matches nothing.
 */
export function matchTargets(linearNames: readonly string[], rules: Rules): string[] {
  const targets = expandTargets(linearNames, rules.target_modules)
  let matches: (name: string) => boolean
  if (typeof targets === 'string') {
    const pattern = regex('target_modules', targets)
    matches = (name) => pattern.fullmatch(name)
  } else {
    matches = (name) => targets.includes(name) || (isOrEndsWith(name, targets) && isInLayers(name, rules))
  }
  if (matches(EMBEDDING) && !isExcluded(EMBEDDING, rules)) {
    throw new TypeError(
      `[LoraConfig] target_modules ${JSON.stringify(targets)} takes in embed_tokens: adapters on embeddings are not built`,
    )
  }
  const wanted = linearNames.filter(matches)
  const found = wanted.filter((name) => !isExcluded(name, rules))
  const parts = [...new Set(linearNames.map(lastPart))]
  if (found.length > 0) {
    for (const target of Array.isArray(targets) ? targets : []) {
      if (linearNames.some((name) => isOrEndsWith(name, [target]))) continue
      logger.warning(unknownNameError('LoraConfig', target, parts, 'name in target_modules').message)
    }
    return found
  }
  const given = JSON.stringify(targets)
  if (wanted.length > 0) {
    throw new TypeError(
      `[LoraConfig] target_modules ${given}: all matches are taken away by exclude_modules or modules_to_save`,
    )
  }
  if (linearNames.some((name) => Array.isArray(targets) && isOrEndsWith(name, targets))) {
    throw new TypeError(
      `[LoraConfig] target_modules ${given}: no match in layers_to_transform ${JSON.stringify(rules.layers_to_transform)}`,
    )
  }
  throw new TypeError(
    `[LoraConfig] target_modules ${given} matches no linear layer. This model has: ${parts.join(', ')}`,
  )
}

function fromPattern(option: string, patterns: Record<string, number>, name: string): number | undefined {
  return Object.entries(patterns).find(([key]) => regex(option, key, ending).match(name))?.[1]
}

/** Rank of a layer: the first key of rank_pattern that matches the end of its name, else `r`. */
export function rankFor(name: string, config: Patterns): number {
  return fromPattern('rank_pattern', config.rank_pattern, name) ?? config.r
}

/** lora_alpha of a layer, by alpha_pattern in the same way. */
export function alphaFor(name: string, config: Patterns): number {
  return fromPattern('alpha_pattern', config.alpha_pattern, name) ?? config.lora_alpha
}

/**
 * Factor of the update: alpha / rank, or alpha / sqrt(rank) with use_rslora. @throws TypeError when it is not
 * finite in float32.
 */
export function scalingFor(name: string, config: Patterns): number {
  const rank = rankFor(name, config)
  const alpha = alphaFor(name, config)
  const scaling = alpha / (config.use_rslora ? Math.sqrt(rank) : rank)
  if (!Number.isFinite(Math.fround(scaling)))
    throw new TypeError(
      `[LoraConfig] lora_alpha: ${alpha} makes a scale of ${scaling}, beyond what float32 holds`,
    )
  return scaling
}
