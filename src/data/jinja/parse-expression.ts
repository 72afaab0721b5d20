import { float, integer } from './numbers'
import type { ArithmeticOperator, CallArguments, ComparisonOperator, Expression } from './syntax'
import type { TokenStream } from './token-stream'
import type { Value } from './values'

const constants: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
])
const none: Expression = { type: 'constant', value: null }

/**
 * Parses expressions with Jinja's precedence: from `if else` over `or`, `and`, `not`, comparisons, `+`, `~`,
 * `*` and `**` to filters.
 */
export class ExpressionParser {
  /** The names that each enclosing macro uses. */
  readonly mentioned: Set<string>[] = []

  constructor(protected readonly stream: TokenStream) {}

  /** An expression, or a tuple without parentheses. `end`: names that also end it. */
  tuple(conditional = true, ...end: string[]): Expression {
    const { stream } = this
    const isEnd = (): boolean =>
      stream.is('variable_end') || stream.is('block_end') || stream.isOperator(')') || stream.isName(...end)
    if (isEnd()) stream.fail(`expected an expression, got ${stream.describe()}`)
    const first = this.expression(conditional)
    if (!stream.isOperator(',')) return first
    const items = [first]
    while (stream.skip('operator', ',') && !isEnd()) items.push(this.expression(conditional))
    return { type: 'tuple', items }
  }

  expression(conditional = true): Expression {
    return this.stream.nested(() => (conditional ? this.conditional() : this.or()))
  }

  private conditional(): Expression {
    const { stream } = this
    let result = this.or()
    while (stream.isName('if')) {
      const { line } = stream.next()
      const test = this.or()
      const no = stream.skip('name', 'else') ? this.expression() : undefined
      result = { type: 'conditional', test, yes: result, no, line }
    }
    return result
  }

  private or(): Expression {
    let left = this.and()
    while (this.stream.skip('name', 'or')) left = { type: 'or', left, right: this.and() }
    return left
  }

  private and(): Expression {
    let left = this.not()
    while (this.stream.skip('name', 'and')) left = { type: 'and', left, right: this.not() }
    return left
  }

  private not(): Expression {
    if (!this.stream.skip('name', 'not')) return this.comparison()
    return { type: 'not', operand: this.stream.nested(() => this.not()) }
  }

  private comparison(): Expression {
    const { stream } = this
    const first = this.sum()
    const rest: [ComparisonOperator, Expression][] = []
    for (;;) {
      if (stream.isOperator('==', '!=', '<', '<=', '>', '>=')) {
        rest.push([stream.next().value as ComparisonOperator, this.sum()])
      } else if (stream.skip('name', 'in')) {
        rest.push(['in', this.sum()])
      } else if (stream.isName('not') && stream.look(1).kind === 'name' && stream.look(1).value === 'in') {
        stream.next()
        stream.next()
        rest.push(['not in', this.sum()])
      } else break
    }
    return rest.length === 0 ? first : { type: 'compare', first, rest }
  }

  private leftToRight(operators: ArithmeticOperator[], operand: () => Expression): Expression {
    let left = operand()
    while (this.stream.isOperator(...operators)) {
      const operator = this.stream.next().value as ArithmeticOperator
      left = { type: 'arithmetic', operator, left, right: operand() }
    }
    return left
  }

  private sum(): Expression {
    return this.leftToRight(['+', '-'], () => this.concat())
  }

  private concat(): Expression {
    const items = [this.product()]
    while (this.stream.skip('operator', '~')) items.push(this.product())
    const [only] = items
    return items.length === 1 && only ? only : { type: 'concat', items }
  }

  private product(): Expression {
    return this.leftToRight(['*', '/', '//', '%'], () => this.power())
  }

  private power(): Expression {
    return this.leftToRight(['**'], () => this.unary())
  }

  private unary(withFilters = true): Expression {
    const { stream } = this
    let value: Expression
    if (stream.isOperator('-', '+')) {
      const type = stream.next().value === '-' ? 'negative' : 'positive'
      value = { type, operand: stream.nested(() => this.unary(false)) }
    } else value = this.primary()
    value = this.postfix(value)
    return withFilters ? this.filtersAndTests(value) : value
  }

  primary(): Expression {
    const { stream } = this
    const token = stream.current
    if (token.kind === 'name') {
      stream.next()
      const constant = constants.get(token.value)
      if (constant !== undefined) return { type: 'constant', value: constant }
      for (const names of this.mentioned) names.add(token.value)
      return { type: 'name', name: token.value }
    }
    if (token.kind === 'string') {
      let value = ''
      while (stream.is('string')) value += stream.next().value
      return { type: 'constant', value }
    }
    if (token.kind === 'number') {
      stream.next()
      return { type: 'constant', value: numberLiteral(token.value) }
    }
    if (stream.isOperator('(')) return this.parentheses()
    if (stream.isOperator('[')) return { type: 'list', items: this.items(']', () => this.expression()) }
    if (stream.isOperator('{')) return { type: 'dict', pairs: this.items('}', () => this.pair()) }
    return stream.fail(`unexpected ${stream.describe()}`)
  }

  private parentheses(): Expression {
    this.stream.next()
    if (this.stream.skip('operator', ')')) return { type: 'tuple', items: [] }
    const inner = this.tuple()
    this.stream.expect('operator', ')')
    return inner
  }

  private items<T>(end: string, read: () => T): T[] {
    const items: T[] = []
    this.stream.next()
    while (!this.stream.isOperator(end)) {
      items.push(read())
      if (!this.stream.skip('operator', ',')) break
    }
    this.stream.expect('operator', end)
    return items
  }

  private pair(): [Expression, Expression] {
    const key = this.expression()
    this.stream.expect('operator', ':')
    return [key, this.expression()]
  }

  postfix(value: Expression): Expression {
    const { stream } = this
    for (;;) {
      if (stream.isOperator('.')) value = this.attribute(value)
      else if (stream.isOperator('[')) value = this.subscript(value)
      else if (stream.isOperator('(')) value = { type: 'call', callee: value, args: this.callArguments() }
      else return value
    }
  }

  private attribute(object: Expression): Expression {
    this.stream.next()
    const token = this.stream.next()
    if (token.kind === 'name') return { type: 'attribute', object, name: token.value }
    if (token.kind !== 'number' || !/^\d+$/.test(token.value))
      this.stream.fail('expected a name or a number after the dot', token.line)
    return { type: 'item', object, key: { type: 'constant', value: Number(token.value) } }
  }

  private subscript(object: Expression): Expression {
    const { stream } = this
    stream.next()
    const bound = (): Expression => (stream.isOperator(':', ']') ? none : this.expression())
    const start = bound()
    if (stream.isOperator(':')) {
      stream.next()
      const stop = bound()
      const step = stream.skip('operator', ':') ? bound() : none
      stream.expect('operator', ']')
      return { type: 'slice', object, bounds: [start, stop, step] }
    }
    const items = start === none ? [] : [start]
    while (stream.skip('operator', ',')) items.push(this.expression())
    stream.expect('operator', ']')
    return { type: 'item', object, key: items.length === 1 ? start : { type: 'tuple', items } }
  }

  callArguments(): CallArguments {
    const { stream } = this
    const args: CallArguments = { positional: [], named: [] }
    const { line } = stream.expect('operator', '(')
    const ensure = (isRight: boolean): void => {
      if (!isRight) stream.fail('invalid syntax for function call expression', line)
    }
    while (!stream.isOperator(')')) {
      if (stream.skip('operator', '*')) {
        ensure(!args.rest && !args.namedRest)
        args.rest = this.expression()
      } else if (stream.skip('operator', '**')) {
        ensure(!args.namedRest)
        args.namedRest = this.expression()
      } else if (stream.is('name') && stream.look(1).kind === 'operator' && stream.look(1).value === '=') {
        ensure(!args.namedRest)
        const { value } = stream.next()
        stream.next()
        args.named.push([value, this.expression()])
      } else {
        ensure(!args.rest && !args.namedRest && args.named.length === 0)
        args.positional.push(this.expression())
      }
      if (!stream.skip('operator', ',')) break
    }
    stream.expect('operator', ')')
    return args
  }

  private filtersAndTests(value: Expression): Expression {
    const { stream } = this
    for (;;) {
      if (stream.isOperator('|')) value = this.filters(value)
      else if (stream.isName('is')) value = this.test(value)
      else if (stream.isOperator('(')) value = { type: 'call', callee: value, args: this.callArguments() }
      else return value
    }
  }

  /**
   * `| name(args)
   * ...` after a value; with `inline`, as in a filter block, the first `|` is missing.
   */
  filters(value: Expression, inline = false): Expression {
    while (inline || this.stream.isOperator('|')) {
      if (!inline) this.stream.next()
      inline = false
      const name = this.dottedName()
      const args = this.stream.isOperator('(') ? this.callArguments() : { positional: [], named: [] }
      value = { type: 'filter', name, value, args }
    }
    return value
  }

  private dottedName(): string {
    let name = this.stream.expect('name').value
    while (this.stream.skip('operator', '.')) name += `.${this.stream.expect('name').value}`
    return name
  }

  private test(value: Expression): Expression {
    const { stream } = this
    stream.next()
    const negated = stream.skip('name', 'not')
    const name = this.dottedName()
    let args: CallArguments = { positional: [], named: [] }
    if (stream.isOperator('(')) args = this.callArguments()
    else if (
      (stream.is('name') && !stream.isName('else', 'or', 'and')) ||
      stream.is('string') ||
      stream.is('number') ||
      stream.isOperator('[', '{')
    ) {
      if (stream.isName('is')) stream.fail('You cannot chain multiple tests with is')
      args.positional.push(this.postfix(this.primary()))
    }
    const test: Expression = { type: 'test', name, value, args }
    return negated ? { type: 'not', operand: test } : test
  }
}

function numberLiteral(written: string): Value {
  if (/^0[box]/i.test(written)) return integer(BigInt(written))
  return /[.e]/i.test(written) ? float(Number(written)) : integer(BigInt(written))
}
