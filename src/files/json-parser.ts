/**
 * Deepest nesting that is accepted, since recursive functions process the values. Python's json stops at about
 * 1,000.
 */
const DEPTH = 500
/** Digits of the longest integer, which is Python's own limit: longer ones take quadratic time. */
const DIGITS = 4300

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?(?![\w.])/y
const WORD = /(?:true|false|null|NaN|-?Infinity)(?!\w)/y
const words: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  null: null,
  NaN: NaN,
  Infinity: Infinity,
  '-Infinity': -Infinity,
}

/** An error in a JSON text and its position (an index into the text). */
export class JsonFault extends Error {
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message)
  }
}

type Mark = (container: object, keys: ReadonlySet<string | number>) => void

/**
 * JSON as Python's `json.loads` accepts it. With `mark`, numbers are exact: integers beyond 2^53 become
 * bigints, and `mark` is called for each container with the keys of its numbers that were written as floats but
 * have an integer value.
 */
export class JsonParser {
  private at = 0
  /** Whether the last number was written as a float but has an integer value. */
  private float = false

  constructor(
    private readonly text: string,
    private readonly mark: Mark | undefined,
  ) {}

  /** The value of the whole text. Throws a JsonFault. */
  document(): unknown {
    const value = this.value(0)
    this.space()
    if (this.at < this.text.length) throw this.fault('the end')
    return value
  }

  private value(depth: number): unknown {
    this.space()
    this.float = false
    const first = this.text.charCodeAt(this.at)
    if (first === 0x22) return this.string()
    if (first !== 0x7b && first !== 0x5b) return this.scalar()
    if (depth === DEPTH) throw new JsonFault(`nested deeper than ${DEPTH} levels`, this.at)
    const container = first === 0x7b ? this.object(depth + 1) : this.array(depth + 1)
    this.float = false
    return container
  }

  private object(depth: number): object {
    const out: Record<string, unknown> = {}
    const floats = new Floats()
    this.at++
    if (this.takes('}')) return out
    do {
      this.space()
      if (this.text[this.at] !== '"') throw this.fault('a key in double quotes')
      const key = this.string()
      if (!this.takes(':')) throw this.fault("':'")
      const value = this.value(depth)
      // Plain assignment would set the prototype.
      if (key === '__proto__')
        Object.defineProperty(out, key, { value, enumerable: true, writable: true, configurable: true })
      else out[key] = value
      floats.note(key, this.float)
    } while (this.takes(','))
    if (!this.takes('}')) throw this.fault("',' or '}'")
    if (floats.keys) this.mark?.(out, floats.keys)
    return out
  }

  private array(depth: number): unknown[] {
    const out: unknown[] = []
    const floats = new Floats()
    this.at++
    if (this.takes(']')) return out
    do {
      out.push(this.value(depth))
      floats.note(out.length - 1, this.float)
    } while (this.takes(','))
    if (!this.takes(']')) throw this.fault("',' or ']'")
    if (floats.keys) this.mark?.(out, floats.keys)
    return out
  }

  private string(): string {
    const start = this.at
    let end = start
    do {
      end = this.text.indexOf('"', end + 1)
      if (end < 0) throw new JsonFault('the string that begins here does not end', start)
    } while (this.isEscaped(end))
    this.at = end + 1
    const quoted = this.text.slice(start, this.at)
    // eslint-disable-next-line no-control-regex -- JSON does not allow them in a string
    if (!/[\\\u0000-\u001f]/.test(quoted)) return quoted.slice(1, -1)
    try {
      return JSON.parse(quoted) as string
    } catch {
      throw new JsonFault('the string that begins here has a control character or an unknown escape', start)
    }
  }

  private isEscaped(at: number): boolean {
    let before = at
    while (this.text.charCodeAt(before - 1) === 0x5c) before--
    return (at - before) % 2 === 1
  }

  private scalar(): unknown {
    const word = this.match(WORD)?.[0]
    if (word !== undefined) return words[word]
    const number = this.match(NUMBER)
    if (!number) throw this.fault('a value')
    const [digits, fraction, exponent] = number
    const value = Number(digits)
    if (fraction !== undefined || exponent !== undefined) this.float = Number.isInteger(value)
    else if (!Number.isSafeInteger(value)) {
      if (digits.length > DIGITS)
        throw new JsonFault(`an integer of ${digits.length} digits; at most ${DIGITS} are read`, this.at)
      if (this.mark) return BigInt(digits)
    }
    return value
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)
    if (found) this.at = pattern.lastIndex
    return found
  }

  private takes(char: string): boolean {
    this.space()
    if (this.text[this.at] !== char) return false
    this.at++
    return true
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.at++
    }
  }

  private fault(expected: string): JsonFault {
    const rest = this.text.slice(this.at, this.at + 12)
    const found = rest === '' ? 'the text ends' : `found ${JSON.stringify(rest)}`
    return new JsonFault(`expected ${expected}, ${found}`, this.at)
  }
}

/** The keys of a container's floats; most containers have none and need no set. */
class Floats {
  keys: Set<string | number> | undefined

  /** The last of several equal keys counts. */
  note(key: string | number, float: boolean): void {
    if (float) (this.keys ??= new Set()).add(key)
    else this.keys?.delete(key)
  }
}
