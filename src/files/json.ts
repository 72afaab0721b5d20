import { JsonFault, JsonParser } from './json-parser'

// Numbers that JSON.parse cannot keep exactly: written as a float though the value is an integer (`1.0`,
// `1e5`), or with too many digits for a double.
const INEXACT = /[[:,][ \t\r\n]*-?\d+(?:\.0+(?!\d)|\.\d+[eE]|[eE]|(?<=\d{16}))/
const INEXACT_MEMBER = new RegExp(`"[ \\t\\r\\n]*${INEXACT.source}`, 'y')

/**
 * Parses the JSON of a configuration file as Python's `json` does: NaN, Infinity and -Infinity are numbers; of
 * several equal keys the last counts. All numbers become JavaScript numbers.
 *
 * @throws Error naming the file, line, column and what was expected; also for nesting deeper than 500 levels.
 */
export function parseJson(path: string, text: string): unknown {
  try {
    return shallow(JSON.parse(text), text)
  } catch {
    return parsed(text, false, (fault) => {
      const line = text.slice(0, fault.at).split('\n').length
      const column = fault.at - text.lastIndexOf('\n', fault.at - 1)
      return `${path}: not valid JSON at line ${line}, column ${column}`
    })
  }
}

/**
 * {@link parseJson} for a file whose root must be an object.
 *
 * @throws Error naming the file and what it contains instead.
 */
export function parseJsonObject(path: string, text: string): Record<string, unknown> {
  const value = parseJson(path, text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  const found = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
  throw new Error(`${path}: expected a JSON object, got ${found}`)
}

/**
 * Parses the JSON of data so that every number can be printed as Python prints it. An integer beyond 2^53
 * becomes a bigint with all its digits. A number that was written as a float but has an integer value (`1.0`,
 * `1e5`) becomes that number; {@link isFloat} distinguishes it from an integer.
 *
 * @param where - begins the error message, such as `file:line`
 * @throws Error naming the place, the column and what was expected.
 */
export function parseExactJson(where: string, text: string): unknown {
  try {
    const value = shallow(JSON.parse(text), text)
    // Checking the values is faster than searching the text: most data is words.
    const integers = integersIn(value)
    if (integers === 'none') return value
    if (integers === 'members' ? !hasInexactMember(text) : !INEXACT.test(text)) return value
  } catch {
    // The parser below accepts Python's NaN and gives better error messages.
  }
  return parsed(text, true, (fault) => `${where}: not valid JSON at character ${fault.at + 1}`)
}

const FLOATS = Symbol('floats')

/**
 * Whether the number `container[key]` was a float in its file: one with a fraction, NaN, an infinity, or one
 * written as a float (`1.0`, `1e5`). Python's `json.dumps` and Jinja's `tojson` print such a number with
 * `float.__repr__`: `1.0`, `1e+20`, `1e-07`; they print other numbers and bigints by their digits.
 *
 * For an array, `key` is the index as a number. A copy of the container (spread, structuredClone) loses this
 * information.
 */
export function isFloat(container: object, key: string | number): boolean {
  const value = (container as Record<string | number, unknown>)[key]
  if (typeof value !== 'number') return false
  return !Number.isInteger(value) || ((container as Marked)[FLOATS]?.has(key) ?? false)
}

/** Marks the numbers with these keys as floats; for readers of other formats. */
export function markFloats(container: object, keys: ReadonlySet<string | number>): void {
  // Rows of one file have the same keys: they share one set.
  if (keys.size !== last.size || [...keys].some((key) => !last.has(key))) last = keys
  Object.defineProperty(container, FLOATS, { value: last, configurable: true })
}

let last: ReadonlySet<string | number> = new Set()

interface Marked {
  [FLOATS]?: ReadonlySet<string | number>
}

function parsed(text: string, exact: boolean, where: (fault: JsonFault) => string): unknown {
  try {
    return new JsonParser(text, exact ? markFloats : undefined).document()
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error
    throw new Error(`${where(error)}: ${error.message}`, { cause: error })
  }
}

/** Throws if the value is nested too deep for recursive functions. */
function shallow(value: unknown, text: string): unknown {
  // 500 levels need at least 500 brackets.
  if (text.length > 1000 && deeper(value, 500)) throw new RangeError('too deep')
  return value
}

/** Where the numbers with an integer value are, those too large for a double too; only of them JSON.parse may have lost something. */
function integersIn(value: unknown, inArray: boolean = false): 'none' | 'members' | 'items' {
  if (typeof value === 'number') {
    const isInteger = Number.isInteger(value) || !Number.isFinite(value)
    return !isInteger ? 'none' : inArray ? 'items' : 'members'
  }
  if (typeof value !== 'object' || value === null) return 'none'
  let found: 'none' | 'members' = 'none'
  if (Array.isArray(value)) {
    for (const item of value) {
      const inside = integersIn(item, true)
      if (inside === 'items') return inside
      if (inside === 'members') found = inside
    }
    return found
  }
  const fields = value as Record<string, unknown>
  for (const key in fields) {
    const inside = typeof fields[key] === 'string' ? 'none' : integersIn(fields[key])
    if (inside === 'items') return inside
    if (inside === 'members') found = inside
  }
  return found
}

/** {@link INEXACT} for the members of objects: data has few quotes, and finding them is faster than a pattern. */
function hasInexactMember(text: string): boolean {
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) {
    const after = text.charCodeAt(at + 1)
    if (after !== 0x3a && after > 0x20) continue
    INEXACT_MEMBER.lastIndex = at
    if (!isQuoteOrBracket(text.charCodeAt(at + 2)) && INEXACT_MEMBER.test(text)) return true
  }
  return false
}

/** What follows most keys' colons. */
const isQuoteOrBracket = (code: number): boolean => code === 0x22 || code === 0x5b || code === 0x7b

function deeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object' && deeper(item, levels - 1)) return true
    return false
  }
  const fields = value as Record<string, unknown>
  for (const key in fields)
    if (typeof fields[key] === 'object' && deeper(fields[key], levels - 1)) return true
  return false
}
