import { REQUIRED } from './arguments'
import { FilterTable, type Filter } from './filter'
import { percentFormat } from './format-method'
import { dumps } from './json-text'
import type { Budget } from './limits'
import { arithmetic, float, integer, numberOf, roundHalfEven, toInteger } from './numbers'
import { signed } from './operators'
import { repr, textOf, trimEnd } from './python-text'
import { iterate, lengthOf, slice } from './sequences'
import { capitalize, pad, replaceText, splitLines, strip } from './string-methods'
import { Dict, Tuple, defined, isTrue, typeName, type Value } from './values'

const table = new FilterTable()
const number = (value: Value): NonNullable<ReturnType<typeof numberOf>> => {
  const found = numberOf(value)
  if (!found) throw new TypeError(`a number is required, not ${typeName(value)}`)
  return found
}

table.add('string safe', {}, ({ budget }, value) => textOf(value, budget))
table.add('upper', {}, ({ budget }, value) => textOf(value, budget).toUpperCase())
table.add('lower', {}, ({ budget }, value) => textOf(value, budget).toLowerCase())
table.add('capitalize', {}, ({ budget }, value) => capitalize(textOf(value, budget)))
table.add('title', {}, ({ budget }, value) =>
  textOf(value, budget)
    .split(/([-\s({[<]+)/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase())
    .join(''),
)
table.add('trim', { chars: null }, ({ budget }, value, chars = null) =>
  strip(textOf(value, budget), chars, true, true),
)
table.add('center', { width: 80 }, ({ budget }, value, width = 80) =>
  pad(textOf(value, budget), toInteger(width), ' ', 'both', budget),
)
table.add(
  'wordcount',
  {},
  ({ budget }, value) => textOf(value, budget).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0,
)

/** This number of spaces. @throws Error when there are too many. */
function spaces(count: Value, budget: Budget): string {
  const length = Math.max(toInteger(count), 0)
  budget.characters(length)
  return ' '.repeat(length)
}

const html: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
}
table.add('e escape forceescape', {}, ({ budget }, value) =>
  textOf(value, budget).replace(/[&<>"']/g, (c) => html[c] ?? c),
)
table.add('striptags', {}, ({ budget }, value) =>
  textOf(value, budget)
    .replace(/<!--[^]*?-->|<[^>]*>/g, '')
    .split(/\s+/)
    .filter((word) => word !== '')
    .join(' '),
)
table.add('urlencode', {}, ({ budget }, value) => {
  const quote = (part: Value, query: boolean): string => {
    const text = encodeURIComponent(textOf(part, budget)).replace(
      /[!'()*]/g,
      (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
    )
    return query ? text.replaceAll('%20', '+') : text.replaceAll('%2F', '/')
  }
  if (typeof value === 'string' || numberOf(value)) return quote(value, false)
  const pairs = value instanceof Dict ? value.pairs() : iterate(value).map((pair) => iterate(pair))
  return pairs.map(([key = null, item = null]) => `${quote(key, true)}=${quote(item, true)}`).join('&')
})

table.add(
  'replace',
  { old: REQUIRED, new: REQUIRED, count: null },
  (rendering, value, old = '', by = '', count = null) => {
    const { budget } = rendering
    const [text, from, to] = [value, old, by].map((v) => textOf(v ?? null, budget)) as [
      string,
      string,
      string,
    ]
    return replaceText(text, from, to, count === null ? -1 : toInteger(count), budget)
  },
)

table.add(
  'indent',
  { width: 4, first: false, blank: false },
  (rendering, value, width = 4, first = false, blank = false) => {
    const text = typeof value === 'string' ? value : undefined
    if (text === undefined)
      throw new TypeError(`unsupported operand type(s) for +=: '${typeName(defined(value))}' and 'str'`)
    const indention = typeof width === 'string' ? width : spaces(width, rendering.budget)
    // The added newline preserves an empty last line.
    const lines = splitLines(`${text}\n`)
    rendering.budget.characters(text.length + lines.length * (indention.length + 1))
    const [head = '', ...rest] = lines
    const body = [head, ...rest.map((line) => (isTrue(blank) || line !== '' ? indention + line : line))].join(
      '\n',
    )
    return isTrue(first) ? indention + body : body
  },
)

table.add(
  'truncate',
  { length: 255, killwords: false, end: '...', leeway: null },
  (rendering, value, length = 255, kill = false, end = '...', leeway = null) => {
    const [text, tail] = [textOf(value, rendering.budget), textOf(end, rendering.budget)]
    const [most, spare] = [toInteger(length), leeway === null ? 5 : toInteger(leeway)]
    if (most < lengthOf(tail)) throw new Error(`expected length >= ${lengthOf(tail)}, got ${most}`)
    if (lengthOf(text) <= most + spare) return text
    const head = slice(text, 0, most - lengthOf(tail), null) as string
    const at = head.lastIndexOf(' ')
    return (isTrue(kill) || at === -1 ? head : head.slice(0, at)) + tail
  },
)

const wrapping = { width: 79, break_long_words: true, wrapstring: null, break_on_hyphens: true }
table.add('wordwrap', wrapping, ({ budget }, value, width = 79, breakLong = true, wrapstring = null) => {
  const most = toInteger(width)
  if (most <= 0) throw new Error(`invalid width ${most} (must be > 0)`)
  const between = wrapstring === null ? '\n' : textOf(wrapstring, budget)
  const lines = splitLines(textOf(value, budget)).flatMap((line) => wrapped(line, most, isTrue(breakLong)))
  budget.characters(lines.reduce((sum, line) => sum + line.length + between.length, 0))
  return lines.join(between)
})

/** Python's `textwrap.wrap` of one line, without breaks at hyphens. */
function wrapped(line: string, width: number, breakLong: boolean): string[] {
  const lines: string[] = []
  let current = ''
  for (let chunk of line.split(/(\s+)/).filter((c) => c !== '')) {
    if (current === '' && lines.length > 0 && /^\s/.test(chunk)) continue
    while (current.length + chunk.length > width) {
      if (trimEnd(current) !== '' && (chunk.length <= width || !breakLong || current.length >= width)) {
        lines.push(trimEnd(current))
        current = ''
        if (/^\s/.test(chunk)) chunk = ''
        continue
      }
      if (!breakLong || chunk === '') break
      const room = width - current.length
      lines.push(current + chunk.slice(0, room))
      current = ''
      chunk = chunk.slice(room)
    }
    current += chunk
  }
  return trimEnd(current) === '' ? lines : [...lines, trimEnd(current)]
}

const format: Filter = ({ budget }, value, { positional, named }) => {
  if (positional.length > 0 && named.size > 0)
    throw new Error("can't handle positional and keyword arguments at the same time")
  const values = named.size > 0 ? new Dict(named) : Tuple.from1(positional)
  return percentFormat(textOf(value, budget), values, budget)
}
table.addRaw('format', format)

const dumping = { ensure_ascii: false, indent: null, separators: null, sort_keys: false }
table.add(
  'tojson',
  dumping,
  ({ budget }, value, ensureAscii = false, indent = null, separators = null, sortKeys = false) => {
    const level = indent === null || typeof indent === 'string' ? indent : spaces(indent, budget)
    const given = separators === null ? [] : iterate(separators)
    const [item = level === null ? ', ' : ',', key = ': '] = given.map((text) => textOf(text, budget))
    return dumps(
      value,
      {
        ensureAscii: isTrue(ensureAscii),
        indent: level,
        separators: [item, key],
        sortKeys: isTrue(sortKeys),
      },
      budget,
    )
  },
)
table.add('pprint', {}, ({ budget }, value) => repr(value, budget))

table.add('abs', {}, (_, value) => {
  const { value: n } = number(value)
  return n < 0 ? arithmetic('*', number(value), { value: -1, float: false }) : signed('positive', value)
})
table.add('round', { precision: 0, method: 'common' }, (_, value, precision = 0, method = 'common') => {
  const { value: n, float: isFloat } = number(value)
  const digits = toInteger(precision)
  if (method === 'common')
    return isFloat
      ? float(roundHalfEven(Number(n), digits))
      : integer(digits < 0 ? roundHalfEven(Number(n), digits) : n)
  if (method !== 'ceil' && method !== 'floor') throw new Error('method must be common, ceil or floor')
  return float(Math[method](Number(n) * 10 ** digits) / 10 ** digits)
})
table.add('float', { default: float(0) }, (_, value, otherwise = 0) => {
  const parsed = typeof value === 'string' ? parseFloatText(value) : Number(numberOf(value)?.value ?? NaN)
  return parsed === undefined || (Number.isNaN(parsed) && !numberOf(value) && typeof value !== 'string')
    ? otherwise
    : float(parsed)
})
table.add('int', { default: 0, base: 10 }, (_, value, otherwise = 0, base = 10) => {
  if (typeof value === 'string') {
    const whole = parseInteger(value, toInteger(base))
    if (whole !== undefined) return integer(whole)
    const parsed = parseFloatText(value)
    return parsed === undefined || !Number.isFinite(parsed) ? otherwise : integer(BigInt(Math.trunc(parsed)))
  }
  const found = numberOf(value)
  if (!found || !Number.isFinite(Number(found.value))) return otherwise
  return integer(typeof found.value === 'bigint' ? found.value : BigInt(Math.trunc(found.value)))
})

/** Python's `float(text)`; undefined if that throws. */
function parseFloatText(text: string): number | undefined {
  const trimmed = strip(text, null, true, true).replace(/(?<=\d)_(?=\d)/g, '')
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(trimmed)) return Number(trimmed)
  const special = /^([+-]?)(?:(inf|infinity)|nan)$/i.exec(trimmed)
  if (!special) return undefined
  return special[2] === undefined ? NaN : special[1] === '-' ? -Infinity : Infinity
}

/** Python's `int(text, base)`; undefined if that throws. */
function parseInteger(text: string, base: number): bigint | undefined {
  const trimmed = strip(text, null, true, true)
    .replace(/(?<=[\da-z])_(?=[\da-z])/gi, '')
    .toLowerCase()
  const [, sign = '', prefix = '', digits = ''] = /^([+-]?)(0[box])?([\da-z]+)$/.exec(trimmed) ?? []
  const implied = ({ '0b': 2, '0o': 8, '0x': 16 } as Record<string, number>)[prefix]
  const radix = base === 0 ? (implied ?? 10) : base
  if (digits === '' || digits.length > 4300 || (implied !== undefined && implied !== radix)) return undefined
  let value = 0n
  for (const digit of digits) {
    const d = parseInt(digit, 36)
    if (d >= radix) return undefined
    value = value * BigInt(radix) + BigInt(d)
  }
  return sign === '-' ? -value : value
}

/** Filters whose results are texts and numbers. */
export const textFilters: ReadonlyMap<string, Filter> = table.filters
