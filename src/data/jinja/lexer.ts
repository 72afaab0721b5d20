import { SPACE, trimEnd } from './python-text'

/** One token of a template. `kind` 'operator': `value` is the operator itself. */
export interface Token {
  kind:
    | 'data'
    | 'block_begin'
    | 'block_end'
    | 'variable_begin'
    | 'variable_end'
    | 'name'
    | 'string'
    | 'number'
    | 'operator'
    | 'end'
  /** A text, name, operator or string value; a number as written. */
  value: string
  line: number
}

/** An invalid template; `line` counts from 1. */
export class TemplateSyntaxError extends Error {
  constructor(
    message: string,
    readonly line: number,
  ) {
    super(message)
  }
}

// Sticky patterns: each is matched at one position of the source.
const space = new RegExp(`[${SPACE}]+`, 'y')
const float = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy
const integer = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy
const name = /[\p{L}\p{M}\p{N}\p{Pc}]+/uy
const string = /'(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*"/y
const operator = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}<>=.:|,;]/y

const blockEnd = new RegExp(`\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?`, 'y')
const variableEnd = new RegExp(`-\\}\\}[${SPACE}]*|\\}\\}`, 'y')
const commentEnd = new RegExp(`\\+#\\}|-#\\}[${SPACE}]*|#\\}\\n?`, 'g')
const rawBegin = new RegExp(`\\{%[-+]?[${SPACE}]*raw[${SPACE}]*(?:-%\\}[${SPACE}]*|%\\})`, 'y')
const rawEnd = new RegExp(`\\{%([-+]?)[${SPACE}]*endraw[${SPACE}]*(?:\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?)`, 'g')
const begin = /\{[{%#]([-+]?)/g
const onlySpace = new RegExp(`^[${SPACE}]+$`)

// Python's limit for reading integers.
const MOST_DIGITS = 4300

const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

/**
 * Splits a template into tokens, with `trim_blocks` and `lstrip_blocks` as in transformers, and without one
 * newline at its end. @throws TemplateSyntaxError
 */
export function tokenize(template: string): Token[] {
  return new Lexer(template.replace(/\r\n?/g, '\n').replace(/\n$/, '')).run()
}

class Lexer {
  private readonly tokens: Token[] = []
  private at = 0
  private line = 1
  private lineStarts = true

  constructor(private readonly source: string) {}

  run(): Token[] {
    while (this.at < this.source.length) this.data()
    this.add('end', '')
    return this.tokens
  }

  private add(kind: Token['kind'], value: string): void {
    this.tokens.push({ kind, value, line: this.line })
  }

  /** Advances over `text`. */
  private pass(text: string): void {
    this.at += text.length
    for (const c of text) if (c === '\n') this.line++
    if (text !== '') this.lineStarts = text.endsWith('\n')
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    return pattern.exec(this.source)?.[0]
  }

  private fail(message: string): never {
    throw new TemplateSyntaxError(message, this.line)
  }

  /** Text up to the next tag, then the tag. */
  private data(): void {
    begin.lastIndex = this.at
    const found = begin.exec(this.source)
    const text = this.source.slice(this.at, found?.index)
    const kind = found?.[0][1]
    const kept = found ? this.stripped(text, found[1] ?? '', kind !== '{') : text
    if (kept !== '') this.add('data', kept)
    this.pass(text)
    if (!found) return
    const raw = kind === '%' ? this.match(rawBegin) : undefined
    if (raw !== undefined) this.raw(raw)
    else if (kind === '#') this.comment(found[0])
    else this.tag(found[0], kind === '%')
  }

  /** The text before a tag, without the white space that `-` or lstrip_blocks removes. */
  private stripped(text: string, sign: string, isBlock: boolean): string {
    if (sign === '-') return trimEnd(text)
    if (sign === '+' || !isBlock) return text
    const lineStart = text.lastIndexOf('\n') + 1
    const isWholeLine = lineStart > 0 || this.lineStarts
    return isWholeLine && onlySpace.test(text.slice(lineStart)) ? text.slice(0, lineStart) : text
  }

  private comment(opening: string): void {
    this.pass(opening)
    commentEnd.lastIndex = this.at
    const end = commentEnd.exec(this.source)
    if (!end) this.fail('Missing end of comment tag')
    this.pass(this.source.slice(this.at, end.index + end[0].length))
  }

  private raw(opening: string): void {
    this.pass(opening)
    rawEnd.lastIndex = this.at
    const end = rawEnd.exec(this.source)
    if (!end) this.fail('Missing end of raw directive')
    const text = this.source.slice(this.at, end.index)
    const kept = this.stripped(text, end[1] ?? '', true)
    if (kept !== '') this.add('data', kept)
    this.pass(text + end[0])
  }

  /** `{% ... %}` or `{{ ... }}`. */
  private tag(opening: string, isBlock: boolean): void {
    this.add(isBlock ? 'block_begin' : 'variable_begin', opening)
    this.pass(opening)
    const open: string[] = []
    for (;;) {
      const end = open.length === 0 ? this.match(isBlock ? blockEnd : variableEnd) : undefined
      if (end !== undefined) {
        this.add(isBlock ? 'block_end' : 'variable_end', end)
        this.pass(end)
        return
      }
      if (this.at >= this.source.length) this.fail('unexpected end of template')
      this.inside(open)
    }
  }

  /** One token inside a tag; `open`: the expected closing brackets. */
  private inside(open: string[]): void {
    const white = this.match(space)
    if (white !== undefined) return this.pass(white)
    const number = this.match(float) ?? this.match(integer)
    if (number !== undefined && number.length > MOST_DIGITS) this.fail(`a number of ${number.length} digits`)
    if (number !== undefined) return this.take('number', number, number.replaceAll('_', ''))
    const word = this.match(name)
    if (word !== undefined) return this.take('name', word, word)
    const quoted = this.match(string)
    if (quoted !== undefined) return this.take('string', quoted, unescaped(quoted.slice(1, -1)))
    const sign = this.match(operator)
    if (sign === undefined) this.fail(`unexpected char '${this.source[this.at]}'`)
    if (closing[sign] !== undefined) open.push(closing[sign])
    else if (sign === ')' || sign === ']' || sign === '}') {
      const due = open.pop()
      if (due !== sign) this.fail(due ? `unexpected '${sign}', expected '${due}'` : `unexpected '${sign}'`)
    }
    this.take('operator', sign, sign)
  }

  private take(kind: Token['kind'], written: string, value: string): void {
    this.add(kind, value)
    this.pass(written)
  }
}

const simple: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\x07',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
}

/** Python's escapes in a string; an unknown one stays as written. */
function unescaped(body: string): string {
  const escape = /\\(?:x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|([0-7]{1,3})|([^]))/gi
  return body.replace(escape, (written, x, u, U, octal, other?: string) => {
    const hex = (x ?? u ?? U) as string | undefined
    if (hex !== undefined) return String.fromCodePoint(parseInt(hex, 16))
    if (octal !== undefined) return String.fromCodePoint(parseInt(octal as string, 8))
    return simple[other ?? ''] ?? written
  })
}
