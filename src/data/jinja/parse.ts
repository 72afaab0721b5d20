import { tokenize } from './lexer'
import { ExpressionParser } from './parse-expression'
import type { Expression, MacroBody, Signature, Statement, Target } from './syntax'
import { TokenStream } from './token-stream'

const captured: Expression = { type: 'captured' }
const reserved = new Set(['true', 'True', 'false', 'False', 'none', 'None'])
/** Tags that need other templates; transformers renders a chat template alone. */
const otherTemplates = new Set(['extends', 'include', 'import', 'from'])

/** Parses a template. @throws TemplateSyntaxError */
export function parse(template: string): Statement[] {
  return new Parser(new TokenStream(tokenize(template))).template()
}

type Content<S> = S extends Statement ? Omit<S, 'line'> : never

class Parser extends ExpressionParser {
  private loops = 0
  /** The closing tags that the open blocks expect. */
  private readonly awaited: string[][] = []

  template(): Statement[] {
    return this.statements()
  }

  /** Statements up to a tag with one of these names, which is not consumed. */
  private statements(...end: string[]): Statement[] {
    const { stream } = this
    const body: Statement[] = []
    for (;;) {
      const { kind, value, line } = stream.current
      if (kind === 'end') {
        if (end.length > 0) stream.fail(`the template ends before ${quoted(end)}`)
        return body
      }
      stream.next()
      if (kind === 'data') body.push({ type: 'text', text: value, line })
      else if (kind === 'variable_begin') {
        body.push({ type: 'print', value: this.tuple(), line })
        stream.expect('variable_end')
      } else {
        if (end.length > 0 && stream.isName(...end)) return body
        body.push({ ...stream.nested(() => this.statement()), line })
        stream.expect('block_end')
      }
    }
  }

  /** The body of a block, up to its closing tag, which is consumed and whose name is returned. */
  private body(...end: string[]): { body: Statement[]; ended: string } {
    this.stream.skip('operator', ':')
    this.stream.expect('block_end')
    this.awaited.push(end)
    const body = this.statements(...end)
    this.awaited.pop()
    return { body, ended: this.stream.next().value }
  }

  private statement(): Content<Statement> {
    const { stream } = this
    const tag = stream.expect('name').value
    switch (tag) {
      case 'if':
        return this.if()
      case 'for':
        return this.for()
      case 'set':
        return this.set()
      case 'macro':
        return this.macro()
      case 'call':
        return this.call()
      case 'filter':
        return {
          type: 'filter_block',
          value: this.filters(captured, true),
          body: this.body('endfilter').body,
        }
      case 'with':
        return this.with()
      case 'generation':
        return { type: 'generation', body: this.outsideLoops(() => this.body('endgeneration').body) }
      case 'print':
        return { type: 'print', value: this.printed() }
      case 'block':
        return this.block()
      case 'autoescape':
        this.expression()
        return { type: 'block', body: this.body('endautoescape').body }
      case 'break':
      case 'continue':
        if (this.loops === 0) stream.fail(`'${tag}' outside of a loop`)
        return { type: tag }
    }
    if (otherTemplates.has(tag)) stream.fail(`'${tag}' needs another template; a chat template stands alone`)
    const awaited = this.awaited.at(-1)
    return stream.fail(`unknown tag '${tag}'${awaited ? `; expected ${quoted(awaited)}` : ''}`)
  }

  private if(): Content<Statement> {
    const branches: [Expression, Statement[]][] = []
    for (;;) {
      const test = this.tuple(false)
      const { body, ended } = this.body('elif', 'else', 'endif')
      branches.push([test, body])
      if (ended === 'elif') continue
      return { type: 'if', branches, otherwise: ended === 'else' ? this.body('endif').body : [] }
    }
  }

  private for(): Content<Statement> {
    const { stream } = this
    const target = this.target('in')
    stream.expect('name', 'in')
    const iterable = this.tuple(false, 'recursive')
    const test = stream.skip('name', 'if') ? this.expression() : undefined
    const recursive = stream.skip('name', 'recursive')
    this.loops++
    const { body, ended } = this.body('endfor', 'else')
    this.loops--
    const otherwise = ended === 'else' ? this.body('endfor').body : []
    return { type: 'for', target, iterable, test, recursive, body, otherwise }
  }

  private set(): Content<Statement> {
    const target = this.target('=')
    if (this.stream.skip('operator', '=')) return { type: 'set', target, value: this.tuple() }
    const value = this.filters(captured)
    return { type: 'set_block', target, value, body: this.body('endset').body }
  }

  private with(): Content<Statement> {
    const targets: Target[] = []
    const values: Expression[] = []
    while (!this.stream.is('block_end')) {
      if (targets.length > 0) this.stream.expect('operator', ',')
      targets.push(this.oneTarget())
      this.stream.expect('operator', '=')
      values.push(this.expression())
    }
    return { type: 'with', targets, values, body: this.body('endwith').body }
  }

  /** `print a, b` prints the values one after the other. */
  private printed(): Expression {
    const value = this.tuple()
    return value.type === 'tuple' ? { type: 'concat', items: value.items } : value
  }

  private block(): Content<Statement> {
    this.stream.expect('name')
    while (this.stream.isName('scoped', 'required')) this.stream.next()
    const { body } = this.body('endblock')
    this.stream.skip('name')
    return { type: 'block', body }
  }

  private macro(): Content<Statement> {
    const name = this.stream.expect('name').value
    return { type: 'macro', name, macro: this.macroBody(() => this.signature(), 'endmacro') }
  }

  private call(): Content<Statement> {
    let call: Expression | undefined
    const macro = this.macroBody(() => {
      const signature = this.stream.isOperator('(') ? this.signature() : { names: [], defaults: [] }
      call = this.expression()
      return signature
    }, 'endcall')
    if (call?.type !== 'call') this.stream.fail('expected a call')
    return { type: 'call', call, macro }
  }

  private macroBody(head: () => Signature, end: string): MacroBody {
    const signature = head()
    const mentions = new Set<string>()
    this.mentioned.push(mentions)
    const { body } = this.outsideLoops(() => this.body(end))
    this.mentioned.pop()
    return { ...signature, body, mentions }
  }

  /** A macro's body is a function, so a `break` in it cannot leave a loop outside. */
  private outsideLoops<T>(read: () => T): T {
    const { loops } = this
    this.loops = 0
    const result = read()
    this.loops = loops
    return result
  }

  private signature(): Signature {
    const { stream } = this
    const names: string[] = []
    const defaults: Expression[] = []
    stream.expect('operator', '(')
    while (!stream.isOperator(')')) {
      if (names.length > 0) stream.expect('operator', ',')
      names.push(stream.expect('name').value)
      if (stream.skip('operator', '=')) defaults.push(this.expression())
      else if (defaults.length > 0) stream.fail('non-default argument follows default argument')
    }
    stream.expect('operator', ')')
    return { names, defaults }
  }

  /** A target, or several separated by commas, up to `end`. */
  private target(end: string): Target {
    const targets = [this.oneTarget()]
    let isTuple = false
    while (this.stream.skip('operator', ',')) {
      isTuple = true
      if (this.stream.isName(end) || this.stream.isOperator(end) || this.stream.isOperator(')')) break
      targets.push(this.oneTarget())
    }
    const [only] = targets
    return only && !isTuple ? only : { type: 'tuple', targets }
  }

  private oneTarget(): Target {
    const { stream } = this
    if (stream.skip('operator', '(')) {
      const inner = stream.nested(() => this.target(')'))
      stream.expect('operator', ')')
      return inner
    }
    const { value: name, line } = stream.expect('name')
    if (reserved.has(name)) stream.fail(`can't assign to '${name}'`, line)
    if (!stream.skip('operator', '.')) return { type: 'name', name }
    return { type: 'attribute', namespace: name, name: stream.expect('name').value }
  }
}

function quoted(tags: readonly string[]): string {
  return tags.map((tag) => `'${tag}'`).join(' or ')
}
