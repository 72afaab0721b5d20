import { TemplateSyntaxError, type Token } from './lexer'

// Deeper nesting of expressions or blocks does not occur in real templates.
const DEEPEST = 100

/** The tokens of a template, read one by one. */
export class TokenStream {
  private at = 0
  private depth = 0

  constructor(private readonly tokens: readonly Token[]) {}

  get current(): Token {
    return this.look(0)
  }

  /** The token `ahead` positions further; the end token after the end. */
  look(ahead: number): Token {
    const token = this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)]
    if (!token) throw new Error('a token list without an end')
    return token
  }

  next(): Token {
    const token = this.current
    this.at++
    return token
  }

  is(kind: Token['kind'], value?: string): boolean {
    return this.current.kind === kind && (value === undefined || this.current.value === value)
  }

  isOperator(...values: string[]): boolean {
    return this.current.kind === 'operator' && values.includes(this.current.value)
  }

  isName(...values: string[]): boolean {
    return this.current.kind === 'name' && values.includes(this.current.value)
  }

  /** Consumes the token if it is this one. */
  skip(kind: Token['kind'], value?: string): boolean {
    const found = this.is(kind, value)
    if (found) this.at++
    return found
  }

  /** @throws TemplateSyntaxError when the next token is another one. */
  expect(kind: Token['kind'], value?: string): Token {
    if (!this.is(kind, value))
      this.fail(`expected ${value === undefined ? describe(kind) : `'${value}'`}, got ${this.describe()}`)
    return this.next()
  }

  describe(): string {
    const { kind, value } = this.current
    return kind === 'operator' || kind === 'name' ? `'${value}'` : describe(kind)
  }

  fail(message: string, line: number = this.current.line): never {
    throw new TemplateSyntaxError(message, line)
  }

  /** Parses something that can be nested. */
  nested<T>(read: () => T): T {
    if (++this.depth > DEEPEST) this.fail(`more than ${DEEPEST} levels of nesting`)
    const result = read()
    this.depth--
    return result
  }
}

const descriptions: Partial<Record<Token['kind'], string>> = {
  block_begin: "'{%'",
  block_end: "'%}'",
  variable_begin: "'{{'",
  variable_end: "'}}'",
  end: 'the end of the template',
}

function describe(kind: Token['kind']): string {
  return descriptions[kind] ?? `a ${kind}`
}
