import { REQUIRED, func, type Parameters } from './arguments'
import type { Budget } from './limits'
import { toInteger } from './numbers'
import { isPrintable, SPACE, trimEnd, trimStart } from './python-text'
import { iterate, lengthOf, points, slice } from './sequences'
import { Tuple, typeName, type Func, type Value } from './values'

type Method = (text: string, budget: Budget, ...args: Value[]) => Value

const methods = new Map<string, [Parameters, Method]>()
const method = (name: string, parameters: Parameters, run: Method): void => {
  methods.set(name, [parameters, run])
}

/** A method of a text, or undefined if Python has none of that name. */
export function stringMethod(text: string, name: string, budget: Budget): Func | undefined {
  budget.read(text)
  const found = methods.get(name)
  return found && func(name, found[0], (...args) => found[1](text, budget, ...args))
}

function str(value: Value | undefined): string {
  if (typeof value === 'string') return value
  throw new TypeError(`expected str, got ${typeName(value ?? null)}`)
}

/** `str.strip` on one side or both; `chars`: the characters to remove, null for white space. */
export function strip(text: string, chars: Value, left: boolean, right: boolean): string {
  if (chars === null) {
    const from = left ? trimStart(text) : text
    return right ? trimEnd(from) : from
  }
  const unwanted = new Set(points(str(chars)))
  const all = points(text)
  let [from, to] = [0, all.length]
  while (left && from < to && unwanted.has(all[from] ?? '')) from++
  while (right && to > from && unwanted.has(all[to - 1] ?? '')) to--
  return all.slice(from, to).join('')
}

method('strip', { chars: null }, (text, _, chars = null) => strip(text, chars, true, true))
method('lstrip', { chars: null }, (text, _, chars = null) => strip(text, chars, true, false))
method('rstrip', { chars: null }, (text, _, chars = null) => strip(text, chars, false, true))

/** The first letter in upper case, the others in lower case. */
export function capitalize(text: string): string {
  const [first = '', ...rest] = points(text)
  return titleCase(first) + rest.join('').toLowerCase()
}

// Python uses title case here; only digraphs have a title case other than their upper case.
function titleCase(letter: string): string {
  const upper = letter.toUpperCase()
  return [...upper].length > 1 ? upper.slice(0, 1) + upper.slice(1).toLowerCase() : upper
}

method('lower', {}, (text) => text.toLowerCase())
method('upper', {}, (text) => text.toUpperCase())
method('casefold', {}, (text) => text.toLowerCase().replaceAll('ß', 'ss'))
method('capitalize', {}, capitalize)
method('swapcase', {}, (text) =>
  text.replace(/\p{L}/gu, (c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase())),
)
method('title', {}, (text) =>
  text.replace(/\p{L}+/gu, (word) => {
    const [first = '', ...rest] = points(word)
    return titleCase(first) + rest.join('').toLowerCase()
  }),
)

method('replace', { old: REQUIRED, new: REQUIRED, count: -1 }, (text, budget, old, by, count = -1) =>
  replaceText(text, str(old), str(by), toInteger(count), budget),
)

/** Python's `text.replace(from, to, most)`; with `most` below 0, all occurrences. */
export function replaceText(text: string, from: string, to: string, most: number, budget: Budget): string {
  // An empty `from` matches before, between and after the characters.
  const pieces = from === '' ? ['', ...points(text), ''] : text.split(from)
  const replaced = most < 0 ? pieces.length - 1 : Math.min(most, pieces.length - 1)
  if (replaced === 0) return text
  budget.characters(text.length + replaced * to.length)
  const rest = pieces.slice(replaced + 1).map((piece) => from + piece)
  return pieces.slice(0, replaced + 1).join(to) + rest.join('')
}

method('join', { iterable: REQUIRED }, (text, budget, items = null) => {
  const texts = iterate(items).map((item, i) => {
    if (typeof item === 'string') return item
    throw new TypeError(`sequence item ${i}: expected str instance, ${typeName(item)} found`)
  })
  budget.characters(texts.reduce((sum, t) => sum + t.length + text.length, 0))
  return texts.join(text)
})

method('split', { sep: null, maxsplit: -1 }, (text, budget, separator = null, most = -1) =>
  split(text, separator, toInteger(most), budget),
)
method('rsplit', { sep: null, maxsplit: -1 }, (text, budget, separator = null, most = -1) => {
  const count = toInteger(most)
  if (count < 0) return split(text, separator, -1, budget)
  const turned = separator === null ? null : reversed(str(separator))
  return split(reversed(text), turned, count, budget)
    .map((piece) => reversed(str(piece)))
    .reverse()
})

const reversed = (text: string): string => points(text).reverse().join('')

const words = new RegExp(`[^${SPACE}]+`, 'g')

function split(text: string, separator: Value, most: number, budget: Budget): Value[] {
  if (separator === '') throw new Error('empty separator')
  const pieces: Value[] = []
  if (separator === null) {
    for (const word of text.matchAll(words)) {
      budget.spend()
      if (most >= 0 && pieces.length === most) {
        pieces.push(text.slice(word.index))
        break
      }
      pieces.push(word[0])
    }
    return pieces
  }
  const all = text.split(str(separator))
  budget.entries(all.length)
  if (most < 0 || all.length <= most + 1) return all
  return [...all.slice(0, most), all.slice(most).join(str(separator))]
}

const end = '\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029'
const lineAndEnd = new RegExp(`[^${end}]*(?:\\r\\n|[${end}])|[^${end}]+$`, 'g')
const lineEnd = new RegExp(`(?:\\r\\n|[${end}])$`)

/** Lines, with Python's line ends. */
export function splitLines(text: string, keepEnds = false): string[] {
  const lines = text.match(lineAndEnd) ?? []
  return keepEnds ? lines : lines.map((line) => line.replace(lineEnd, ''))
}

method('splitlines', { keepends: false }, (text, budget, keepEnds = false) => {
  budget.entries(1)
  return splitLines(text, keepEnds === true)
})
method('partition', { sep: REQUIRED }, (text, _, separator) => {
  const at = text.indexOf(str(separator))
  const pieces =
    at === -1 ? [text, '', ''] : [text.slice(0, at), str(separator), text.slice(at + str(separator).length)]
  return Tuple.from1(pieces)
})
method('rpartition', { sep: REQUIRED }, (text, _, separator) => {
  const at = text.lastIndexOf(str(separator))
  const pieces =
    at === -1 ? ['', '', text] : [text.slice(0, at), str(separator), text.slice(at + str(separator).length)]
  return Tuple.from1(pieces)
})
method('removeprefix', { prefix: REQUIRED }, (text, _, prefix) =>
  text.startsWith(str(prefix)) ? text.slice(str(prefix).length) : text,
)
method('removesuffix', { suffix: REQUIRED }, (text, _, suffix) =>
  str(suffix) !== '' && text.endsWith(str(suffix)) ? text.slice(0, -str(suffix).length) : text,
)

const range: Parameters = { sub: REQUIRED, start: null, end: null }
const part = (text: string, start: Value, end: Value): string =>
  start === null && end === null ? text : str(slice(text, start, end, null))
const anyOf = (value: Value | undefined): string[] => (value instanceof Tuple ? value.map(str) : [str(value)])

method('startswith', range, (text, _, prefix, start = null, end = null) =>
  anyOf(prefix).some((p) => part(text, start, end).startsWith(p)),
)
method('endswith', range, (text, _, suffix, start = null, end = null) =>
  anyOf(suffix).some((s) => part(text, start, end).endsWith(s)),
)
method('count', range, (text, budget, sub, start = null, end = null) => {
  const within = part(text, start, end)
  budget.characters(within.length)
  return str(sub) === '' ? lengthOf(within) + 1 : within.split(str(sub)).length - 1
})

/** The index of `sub` within [start, end), in code points; -1 if it is not there. */
function find(text: string, sub: Value | undefined, start: Value, end: Value, last: boolean): number {
  const within = part(text, start, end)
  const at = last ? within.lastIndexOf(str(sub)) : within.indexOf(str(sub))
  if (at === -1) return -1
  const before = start === null ? 0 : lengthOf(text) - lengthOf(part(text, start, null))
  return before + lengthOf(within.slice(0, at))
}

for (const last of [false, true]) {
  method(last ? 'rfind' : 'find', range, (text, _, sub, start = null, end = null) =>
    find(text, sub, start, end, last),
  )
  method(last ? 'rindex' : 'index', range, (text, _, sub, start = null, end = null) => {
    const at = find(text, sub, start, end, last)
    if (at === -1) throw new Error('substring not found')
    return at
  })
}

/** `text` padded to a width on the left, the right or both sides. */
export function pad(
  text: string,
  width: number,
  fill: string,
  side: 'both' | 'left' | 'right',
  budget: Budget,
): string {
  budget.characters(Math.max(width, text.length))
  const missing = Math.max(width - lengthOf(text), 0)
  // Python's `center` puts the odd character on the left only if the width is odd.
  const left = side === 'left' ? missing : side === 'right' ? 0 : (missing >> 1) + (missing & width & 1)
  return fill.repeat(left) + text + fill.repeat(missing - left)
}

const width: Parameters = { width: REQUIRED, fillchar: ' ' }
method('center', width, (text, budget, w = 0, fill = ' ') =>
  pad(text, toInteger(w), str(fill), 'both', budget),
)
method('ljust', width, (text, budget, w = 0, fill = ' ') =>
  pad(text, toInteger(w), str(fill), 'right', budget),
)
method('rjust', width, (text, budget, w = 0, fill = ' ') =>
  pad(text, toInteger(w), str(fill), 'left', budget),
)
method('zfill', { width: REQUIRED }, (text, budget, w = 0) => {
  const sign = /^[+-]/.exec(text)?.[0] ?? ''
  return sign + pad(text.slice(sign.length), toInteger(w) - sign.length, '0', 'left', budget)
})
method('expandtabs', { tabsize: 8 }, (text, budget, size = 8) => {
  const tab = toInteger(size)
  let column = 0
  budget.characters(text.length + (text.split('\t').length - 1) * Math.max(tab, 0))
  return points(text)
    .map((c) => {
      const spaces = tab > 0 ? tab - (column % tab) : 0
      column = c === '\n' || c === '\r' ? 0 : column + (c === '\t' ? spaces : 1)
      return c === '\t' ? ' '.repeat(spaces) : c
    })
    .join('')
})

const kinds: Readonly<Record<string, RegExp>> = {
  isalnum: /^[\p{L}\p{N}]+$/u,
  isalpha: /^\p{L}+$/u,
  isdecimal: /^\p{Nd}+$/u,
  isdigit: /^[\p{Nd}²³¹⁰⁴-⁹₀-₉]+$/u,
  isnumeric: /^\p{N}+$/u,
  isspace: new RegExp(`^[${SPACE}]+$`),
  isidentifier: /^[\p{L}\p{Nl}_][\p{L}\p{M}\p{N}\p{Pc}]*$/u,
}
for (const [name, pattern] of Object.entries(kinds)) method(name, {}, (text) => pattern.test(text))
// eslint-disable-next-line no-control-regex
method('isascii', {}, (text) => /^[\x00-\x7f]*$/.test(text))
method('isprintable', {}, (text) => points(text).every(isPrintable))
method('islower', {}, (text) => /\p{Ll}/u.test(text) && !/[\p{Lu}\p{Lt}]/u.test(text))
method('isupper', {}, (text) => /\p{Lu}/u.test(text) && !/[\p{Ll}\p{Lt}]/u.test(text))
method('istitle', {}, (text) => {
  const words = text.match(/\p{L}+/gu) ?? []
  return words.length > 0 && words.every((word) => /^[\p{Lu}\p{Lt}]\p{Ll}*$/u.test(word))
})
