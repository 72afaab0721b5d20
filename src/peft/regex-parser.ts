/** A part of a regular expression. `test` takes code points, and widths are in code points. */
export type Node =
  | { kind: 'char'; test: (code: number) => boolean }
  | { kind: 'sequence'; parts: Node[] }
  | { kind: 'choice'; parts: Node[] }
  | { kind: 'repeat'; part: Node; min: number; max: number; lazy: boolean }
  | { kind: 'group'; part: Node; name: string | undefined }
  | { kind: 'edge'; test: (codes: readonly number[], at: number) => boolean }
  | { kind: 'look'; part: Node; behind: boolean; negative: boolean }

interface Flags {
  i: boolean
  s: boolean
  m: boolean
  x: boolean
}

/** Deepest nesting of groups, since the parser is recursive. */
const DEPTH = 100

const isDigit = (code: number): boolean => /\p{Nd}/u.test(String.fromCodePoint(code))
const isWord = (code: number): boolean => /[\p{L}\p{N}_]/u.test(String.fromCodePoint(code))
const isSpace = (code: number): boolean => /[\s\x1c-\x1f]/u.test(String.fromCodePoint(code)) // eslint-disable-line no-control-regex
const not =
  (test: (code: number) => boolean): ((code: number) => boolean) =>
  (code) =>
    !test(code)
const classes: Readonly<Record<string, (code: number) => boolean>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
}
const controls: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, f: 12, v: 11, a: 7 }

const LINE = 10
const wordEdge = (codes: readonly number[], at: number): boolean =>
  (at > 0 && isWord(codes[at - 1]!)) !== (at < codes.length && isWord(codes[at]!))

/** Parses Python's syntax of regular expressions. */
export class RegexParser {
  private readonly chars: string[]
  private at = 0
  private depth = 0
  private flags: Flags = { i: false, s: false, m: false, x: false }

  constructor(private readonly source: string) {
    this.chars = Array.from(source)
  }

  /** @throws Error naming the mistake and its character; also for what a linear-time matcher cannot do. */
  parse(): Node {
    const node = this.choice()
    if (this.at < this.chars.length) throw this.fault("a ')' without its '('")
    return node
  }

  private choice(): Node {
    if (++this.depth > DEPTH) throw this.fault(`groups nested deeper than ${DEPTH}`)
    const outer = this.flags
    const parts = [this.sequence()]
    while (this.takes('|')) parts.push(this.sequence())
    this.flags = this.depth === 1 ? this.flags : outer
    this.depth--
    return parts.length === 1 ? parts[0]! : { kind: 'choice', parts }
  }

  private sequence(): Node {
    const parts: Node[] = []
    for (;;) {
      if (this.flags.x) this.skipBlanks()
      const char = this.chars[this.at]
      if (char === undefined || char === '|' || char === ')') return { kind: 'sequence', parts }
      const atom = this.atom()
      if (atom) parts.push(this.repeated(atom))
    }
  }

  private repeated(part: Node): Node {
    const [min, max] = this.counts() ?? [1, 1]
    if (min === 1 && max === 1 && this.chars[this.at - 1] !== '}') return part
    if (max < min) throw this.fault(`a repetition from ${min} to ${max}`)
    const lazy = this.takes('?')
    if (!lazy && this.chars[this.at] === '+') throw this.fault('possessive repetition is not supported')
    const node: Node = { kind: 'repeat', part, min, max, lazy }
    if (this.counts()) throw this.fault('a repetition of a repetition')
    return node
  }

  private counts(): [number, number] | undefined {
    if (this.takes('*')) return [0, Infinity]
    if (this.takes('+')) return [1, Infinity]
    if (this.takes('?')) return [0, 1]
    const found = /^\{(\d*)(?:(,)(\d*))?\}/.exec(this.chars.slice(this.at, this.at + 24).join(''))
    if (!found || found[0] === '{}') return undefined
    this.at += found[0].length
    const min = Number(found[1])
    return [min, found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3])]
  }

  private atom(): Node | undefined {
    const char = this.chars[this.at++]!
    if (char === '(') return this.group()
    if (char === '[') return this.set()
    if (char === '.') {
      const { s } = this.flags
      return { kind: 'char', test: (code) => s || code !== LINE }
    }
    if (char === '^') {
      const { m } = this.flags
      return { kind: 'edge', test: (codes, at) => at === 0 || (m && codes[at - 1] === LINE) }
    }
    if (char === '$') {
      const { m } = this.flags
      const end = (codes: readonly number[], at: number): boolean =>
        at === codes.length || (codes[at] === LINE && (m || at === codes.length - 1))
      return { kind: 'edge', test: end }
    }
    if ('*+?'.includes(char)) throw this.fault(`'${char}' with nothing to repeat`)
    if (char === '\\') return this.escape()
    return this.literal(char.codePointAt(0)!)
  }

  private group(): Node | undefined {
    let name: string | undefined
    if (this.takes('?')) {
      const rest = this.chars.slice(this.at).join('')
      const named = /^P<(\w+)>/.exec(rest)
      const look = /^<?[=!]/.exec(rest)?.[0]
      const flags = /^([aiLmsux]*)(?:-([imsx]+))?([:)])/.exec(rest)
      if (rest.startsWith('#')) {
        while (this.at < this.chars.length && this.chars[this.at] !== ')') this.at++
        this.close()
        return undefined
      } else if (look !== undefined) {
        this.at += look.length
        const part = this.choice()
        this.close()
        return { kind: 'look', part, behind: look.startsWith('<'), negative: look.endsWith('!') }
      } else if (named) {
        this.at += named[0].length
        name = named[1]
      } else if (flags) {
        this.at += flags[0].length
        return this.flagged(flags[1]!, flags[2] ?? '', flags[3]!)
      } else throw this.fault(`'(?${rest.slice(0, 2)}' is not supported`)
    }
    const part = this.choice()
    this.close()
    return { kind: 'group', part, name }
  }

  /** `(?i)` for the whole expression, `(?i:...)` for a part of it. */
  private flagged(on: string, off: string, end: string): Node | undefined {
    const set = (flags: Flags): Flags => {
      const value = (flag: keyof Flags): boolean => (flags[flag] || on.includes(flag)) && !off.includes(flag)
      return { i: value('i'), s: value('s'), m: value('m'), x: value('x') }
    }
    if (end === ')') {
      if (this.at !== on.length + 3) throw this.fault('flags for the whole expression stand at its start')
      this.flags = set(this.flags)
      return undefined
    }
    const outer = this.flags
    this.flags = set(outer)
    const part = this.choice()
    this.close()
    this.flags = outer
    return part
  }

  private close(): void {
    if (!this.takes(')')) throw this.fault("a '(' without its ')'")
  }

  private escape(): Node {
    const char = this.chars[this.at]
    const edges: Readonly<Record<string, (codes: readonly number[], at: number) => boolean>> = {
      A: (_, at) => at === 0,
      Z: (codes, at) => at === codes.length,
      b: wordEdge,
      B: (codes, at) => !wordEdge(codes, at),
    }
    const edge = char === undefined ? undefined : edges[char]
    if (edge) {
      this.at++
      return { kind: 'edge', test: edge }
    }
    if (/[1-9]/.test(char ?? '')) throw this.fault('references to groups are not supported')
    const escaped = this.escaped()
    return typeof escaped === 'number' ? this.literal(escaped) : { kind: 'char', test: escaped }
  }

  /** The part after a backslash, inside a set or outside: a class such as `\d`, or the code of one character. */
  private escaped(): number | ((code: number) => boolean) {
    const char = this.chars[this.at++]
    if (char === undefined) throw this.fault('a backslash at the end')
    if (Object.hasOwn(classes, char)) return classes[char]!
    if (Object.hasOwn(controls, char)) return controls[char]!
    const hex = { x: 2, u: 4, U: 8 }[char]
    if (hex !== undefined) {
      const digits = this.chars.slice(this.at, this.at + hex).join('')
      if (!/^[0-9a-f]+$/i.test(digits) || digits.length < hex || parseInt(digits, 16) > 0x10ffff)
        throw this.fault(`\\${char} needs ${hex} hexadecimal digits`)
      this.at += hex
      return parseInt(digits, 16)
    }
    if (char === '0') return 0
    if (/[a-z0-9]/i.test(char)) throw this.fault(`an unknown escape \\${char}`)
    return char.codePointAt(0)!
  }

  private set(): Node {
    const negative = this.takes('^')
    const tests: ((code: number) => boolean)[] = []
    const start = this.at
    while (this.chars[this.at] !== ']' || this.at === start) {
      const from = this.member()
      if (this.chars[this.at] === '-' && ![']', undefined].includes(this.chars[this.at + 1])) {
        this.at++
        const to = this.member()
        if (typeof from !== 'number' || typeof to !== 'number' || to < from)
          throw this.fault('a range in [...] that is none')
        tests.push((code) => code >= from && code <= to)
      } else tests.push(typeof from === 'number' ? (code) => code === from : from)
    }
    this.at++
    const inside = this.cased((code) => tests.some((test) => test(code)))
    return { kind: 'char', test: negative ? not(inside) : inside }
  }

  private member(): number | ((code: number) => boolean) {
    const char = this.chars[this.at++]
    if (char === undefined) throw this.fault("a '[' without its ']'")
    if (char !== '\\') return char.codePointAt(0)!
    if (this.chars[this.at] !== 'b') return this.escaped()
    this.at++
    return 8
  }

  private literal(code: number): Node {
    return { kind: 'char', test: this.cased((other) => other === code) }
  }

  private cased(test: (code: number) => boolean): (code: number) => boolean {
    if (!this.flags.i) return test
    const change = (code: number, to: 'toLowerCase' | 'toUpperCase'): number =>
      String.fromCodePoint(code)[to]().codePointAt(0)!
    return (code) => test(code) || test(change(code, 'toLowerCase')) || test(change(code, 'toUpperCase'))
  }

  private skipBlanks(): void {
    for (;;) {
      if (/\s/.test(this.chars[this.at] ?? '')) this.at++
      else if (this.chars[this.at] === '#')
        while (this.at < this.chars.length && this.chars[this.at] !== '\n') this.at++
      else return
    }
  }

  private takes(char: string): boolean {
    if (this.chars[this.at] !== char) return false
    this.at++
    return true
  }

  private fault(what: string): Error {
    return new Error(`${what}, at character ${Math.min(this.at, this.chars.length)} of '${this.source}'`)
  }
}
