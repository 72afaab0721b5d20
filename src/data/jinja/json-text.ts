import { GrowingText, type Budget } from './limits'
import { floatText } from './python-text'
import { Dict, Float, typeName, type Value } from './values'
import { compare } from './compare'

/** Arguments of Python's `json.dumps`. */
export interface DumpOptions {
  ensureAscii: boolean
  /** White space per level; null: everything on one line. */
  indent: string | null
  separators: [item: string, key: string]
  sortKeys: boolean
}

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
}

/**
 * Python's `json.dumps`: NaN and infinities are written, and `1.0` stays `1.0`. @throws TypeError for values
 * that JSON cannot represent.
 */
export function dumps(value: Value, options: DumpOptions, budget: Budget): string {
  const { ensureAscii, indent, separators, sortKeys } = options
  const [itemSeparator, keySeparator] = separators
  const out = new GrowingText(budget)
  const add = (piece: string): void => out.add(piece)
  const newline = (depth: number): string => (indent === null ? '' : `\n${indent.repeat(depth)}`)
  const items = (
    begin: string,
    end: string,
    count: number,
    depth: number,
    one: (i: number) => void,
  ): void => {
    add(begin)
    for (let i = 0; i < count; i++) {
      if (i > 0) add(itemSeparator)
      add(newline(depth + 1))
      one(i)
    }
    add((count > 0 ? newline(depth) : '') + end)
  }
  const walk = (v: Value, depth: number): void => {
    budget.spend()
    const plain = scalar(v, ensureAscii)
    if (plain !== undefined) add(plain)
    else if (Array.isArray(v)) items('[', ']', v.length, depth, (i) => walk(v[i] ?? null, depth + 1))
    else if (v instanceof Dict) {
      const pairs = v.pairs()
      if (sortKeys) pairs.sort(([a], [b]) => compare(a, b, budget))
      items('{', '}', pairs.length, depth, (i) => {
        const [key, item] = pairs[i] ?? [null, null]
        add(keyText(key, ensureAscii) + keySeparator)
        walk(item, depth + 1)
      })
    } else throw new TypeError(`Object of type ${typeName(v)} is not JSON serializable`)
  }
  walk(value, 0)
  return out.text
}

function scalar(value: Value, ensureAscii: boolean): string | undefined {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (typeof value === 'string') return quoted(value, ensureAscii)
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : jsonFloat(value)
  return value instanceof Float ? jsonFloat(value.value) : undefined
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  return Number.isFinite(value) ? floatText(value) : value < 0 ? '-Infinity' : 'Infinity'
}

function keyText(key: Value, ensureAscii: boolean): string {
  if (typeof key === 'string') return quoted(key, ensureAscii)
  const plain = scalar(key, ensureAscii)
  if (plain === undefined)
    throw new TypeError(`keys must be str, int, float, bool or None, not ${typeName(key)}`)
  return `"${plain}"`
}

function quoted(text: string, ensureAscii: boolean): string {
  // eslint-disable-next-line no-control-regex
  const special = ensureAscii ? /["\\]|[^\x20-\x7e]/g : /["\\\x00-\x1f]/g
  const hex = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  return `"${text.replace(special, (c) => escapes[c] ?? hex(c))}"`
}
