import { isDeepStrictEqual } from 'node:util'

import { type Option, type OptionSet, type Refused, knownNames, optionTable } from './declaration'
import { logger } from '../logging'
import { describeSchema } from './describe'
import { unknownNameError } from './nearest'

/** A value as error messages show it: short, and with its type if the text alone would be ambiguous. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 80 ? value.slice(0, 77) + '...' : value}'`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return `a function`
  if (value === null || typeof value !== 'object') return String(value)
  if (value instanceof Map || value instanceof Set) return `a ${value.constructor.name}`
  try {
    const text = JSON.stringify(value)
    return text.length > 80 ? text.slice(0, 77) + '...' : text
  } catch {
    return Object.prototype.toString.call(value)
  }
}

function checkedValue(owner: string, spelling: string, option: Option<unknown>, value: unknown): unknown {
  const result = option.schema.safeParse(value)
  if (result.success) return result.data
  throw new TypeError(`[${owner}] ${spelling}: got ${show(value)}, needs ${describeSchema(option.schema)}`)
}

function refuse(owner: string, name: string, refused: Refused, value: unknown): void {
  const neutral = [undefined, null, refused.default, ...(refused.neutral ?? [])]
  if (neutral.some((n) => isDeepStrictEqual(n, value))) return
  throw new TypeError(`[${owner}] ${name} = ${show(value)} is not supported: ${refused.reason}`)
}

/**
 * Checks the given options against the declarations and adds the defaults. `undefined` means "not given".
 *
 * Throws `TypeError`: an unknown name (with the nearest known one), a wrong type or range (with the value and
 * what fits), an option that this version refuses, one option given under two names with different values.
 * With `unknown: 'ignore'`, unknown names are skipped, for files written by newer versions.
 */
export function parseOptions<T extends object>(
  set: OptionSet<T>,
  given: object,
  { unknown = 'throw' }: { unknown?: 'throw' | 'ignore' } = {},
): T {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError(`[${set.owner}] got ${show(given)}, needs an object of options`)
  }
  const values: Record<string, unknown> = {}
  const chosenBy: Record<string, string> = {}
  const options = optionTable(set)
  const canonical = new Map<string, string>()
  for (const [name, option] of Object.entries(options)) {
    // A copy each time: two argument objects must not share a default array or dictionary.
    values[name] = structuredClone(option.default)
    if (option.required && (given as Record<string, unknown>)[name] === undefined)
      throw new TypeError(`[${set.owner}] ${name} is missing: give ${describeSchema(option.schema)}`)
    for (const spelling of [name, ...Object.keys(option.aliases ?? {})]) canonical.set(spelling, name)
  }
  for (const [spelling, raw] of Object.entries(given)) {
    const name = canonical.get(spelling)
    if (raw === undefined && name !== undefined) continue
    const option = name === undefined ? undefined : options[name]
    if (name === undefined || option === undefined) {
      const refused = Object.hasOwn(set.refused, spelling) ? set.refused[spelling] : undefined
      if (refused) refuse(set.owner, spelling, refused, raw)
      else if (unknown === 'throw') throw unknownNameError(set.owner, spelling, knownNames(set))
      continue
    }
    const convert = spelling === name ? undefined : option.aliases?.[spelling]?.convert
    const value = checkedValue(set.owner, spelling, option, convert ? convert(raw) : raw)
    // A second name whose value is only the default is ignored: scripts often pass warmup_ratio 0 and
    // warmup_steps 100.
    if (isDeepStrictEqual(value, option.default) && name in chosenBy) continue
    const before = chosenBy[name]
    if (
      before !== undefined &&
      !isDeepStrictEqual(values[name], value) &&
      !isDeepStrictEqual(values[name], option.default)
    ) {
      if (option.aliases?.[before]?.yields || option.aliases?.[spelling]?.yields) {
        logger.warning(`[${set.owner}] ${before} and ${spelling} are both given: ${name} counts`)
        if (spelling === name) [values[name], chosenBy[name]] = [value, spelling]
        continue
      }
      throw new TypeError(
        `[${set.owner}] ${before} and ${spelling} are one option, given twice: ${show(values[name])} and ${show(value)}`,
      )
    }
    values[name] = value
    chosenBy[name] = spelling
  }
  tellInert(set, values)
  return values as T
}

const told = new Set<string>()

/** Warns about options that are accepted and have no effect, in one line, each option once per process. */
function tellInert(set: OptionSet<object>, values: Readonly<Record<string, unknown>>): void {
  const names = Object.entries(optionTable(set)).flatMap(([name, option]) => {
    if (!option.inert || option.silent || told.has(name)) return []
    if (isDeepStrictEqual(values[name], option.default)) return []
    told.add(name)
    return [`${name} = ${show(values[name])}`]
  })
  if (names.length > 0)
    logger.warning(
      `[${set.owner}] accepted, changes nothing here: ${names.join(', ')} (why: docs/options.md)`,
    )
}

/**
 * All options with their values as JSON, refused ones with their defaults; keys are sorted as Python's writers
 * sort them.
 */
export function optionsToDict(set: OptionSet<object>, values: object): Record<string, unknown> {
  const held = values as Record<string, unknown>
  const all: [string, unknown][] = [
    ...Object.keys(optionTable(set)).map((name): [string, unknown] => [name, held[name]]),
    ...Object.entries(set.refused).map(([name, refused]): [string, unknown] => [name, refused.default]),
  ]
  return Object.fromEntries(structuredClone(all).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * Throws `TypeError`, with the nearest known name, if `given` has a name that is not in `known`. For functions
 * with few options and no table. `refused`: names that only the reference library accepts, with the reason;
 * `kind`: what a name is called in the message.
 */
export function checkNames<T extends object>(
  owner: string,
  given: T,
  known: readonly (keyof T & string)[],
  refused: Readonly<Record<string, Refused>> = {},
  kind: string = 'option',
): void {
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`[${owner}] got ${show(given)}, needs an object of options`)
  }
  for (const [name, value] of Object.entries(given)) {
    if ((known as readonly string[]).includes(name)) continue
    if (!Object.hasOwn(refused, name))
      throw unknownNameError(owner, name, [...known, ...Object.keys(refused)], kind)
    refuse(owner, name, refused[name]!, value)
  }
}
