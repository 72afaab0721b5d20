import { GrowingText, type Budget } from './limits'
import {
  Dict,
  DictView,
  Float,
  Func,
  ValueIterator,
  Namespace,
  Range,
  Tuple,
  Undefined,
  typeName,
} from './values'
import type { Value } from './values'

/** White space for Python: its `str.isspace` and `\s`. For use inside a character class. */
export const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

const isSpace = new RegExp(`[${SPACE}]`)

/** The text without white space at its start. */
export function trimStart(text: string): string {
  let from = 0
  while (from < text.length && isSpace.test(text.charAt(from))) from++
  return text.slice(from)
}

/**
 * The text without white space at its end. A pattern would take quadratic time for long white space inside the
 * text.
 */
export function trimEnd(text: string): string {
  let to = text.length
  while (to > 0 && isSpace.test(text.charAt(to - 1))) to--
  return text.slice(0, to)
}

/** Python's `repr` of a float. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const [mantissa = '', exponent = '0'] = Math.abs(value).toExponential().split('e')
  const digits = mantissa.replace('.', '')
  const power = Number(exponent)
  if (power < -4 || power >= 16) {
    const rest = digits.length > 1 ? `.${digits.slice(1)}` : ''
    const shown = String(Math.abs(power)).padStart(2, '0')
    return `${sign}${digits[0]}${rest}e${power < 0 ? '-' : '+'}${shown}`
  }
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`
  const whole = digits.slice(0, power + 1).padEnd(power + 1, '0')
  return `${sign}${whole}.${digits.slice(power + 1) || '0'}`
}

const named: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Python's `repr` of a text. */
export function reprText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const body = text.replace(/[\\'"]|[^\x20-\x7e]/gu, (c) => {
    if (c === quote) return `\\${c}`
    if (c === "'" || c === '"') return c
    return named[c] ?? (isPrintable(c) ? c : escaped(c.codePointAt(0) ?? 0))
  })
  return quote + body + quote
}

/** Whether Python's `repr` shows a character unchanged. */
export function isPrintable(character: string): boolean {
  return character === ' ' || !/[\p{C}\p{Z}]/u.test(character)
}

function escaped(point: number): string {
  const hex = point.toString(16)
  if (point < 0x100) return `\\x${hex.padStart(2, '0')}`
  return point < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}

/** Python's `str(value)`. */
export function textOf(value: Value, budget: Budget): string {
  if (typeof value === 'string') return value
  if (value instanceof Undefined) return ''
  return repr(value, budget)
}

/** Python's `repr(value)`. */
export function repr(value: Value, budget: Budget): string {
  const out = new GrowingText(budget)
  const add = (piece: string): void => out.add(piece)
  const list = (items: readonly Value[], begin: string, end: string): void => {
    add(begin)
    items.forEach((item, i) => {
      if (i > 0) add(', ')
      walk(item)
    })
    add(end)
  }
  const walk = (v: Value): void => {
    budget.spend()
    if (typeof v === 'string') add(reprText(v))
    else if (v === null) add('None')
    else if (typeof v === 'boolean') add(v ? 'True' : 'False')
    else if (typeof v === 'bigint') add(String(v))
    else if (typeof v === 'number') add(Number.isInteger(v) ? String(v) : floatText(v))
    else if (v instanceof Float) add(floatText(v.value))
    else if (v instanceof Tuple) list(v, '(', v.length === 1 ? ',)' : ')')
    else if (Array.isArray(v)) list(v, '[', ']')
    else if (v instanceof Dict) {
      add('{')
      v.pairs().forEach(([key, item], i) => {
        if (i > 0) add(', ')
        walk(key)
        add(': ')
        walk(item)
      })
      add('}')
    } else if (v instanceof Range) add(v.text)
    else if (v instanceof DictView) list(v.items, `${v.type}([`, '])')
    else if (v instanceof Undefined) add('Undefined')
    else if (v instanceof Namespace) {
      add('<Namespace ')
      walk(new Dict(v.attributes))
      add('>')
    } else if (v instanceof Func)
      add(v.type === 'Macro' ? `<Macro ${reprText(v.name)}>` : `<function ${v.name}>`)
    else if (v instanceof ValueIterator) add(`<${v.type} object>`)
    else add(`<${typeName(v)}>`)
  }
  walk(value)
  return out.text
}
