import { getAttribute, getItem } from './attributes'
import { textFilters } from './text-filters'
import type { Rendering } from './filter'
import type { Budget } from './limits'
import { listFilters } from './list-filters'
import { comparison, operate, signed } from './operators'
import { textOf } from './python-text'
import type { Scope } from './scope'
import { iterate, slice } from './sequences'
import type { CallArguments, Expression } from './syntax'
import { tests } from './tests'
import {
  Attributes,
  Dict,
  Func,
  Tuple,
  Undefined,
  defined,
  isTrue,
  typeName,
  type Args,
  type Value,
} from './values'

// Deeper calls would overflow JavaScript's stack.
const DEEPEST_CALLS = 200

/** Evaluates expressions. */
export class Evaluator implements Rendering {
  private depth = 0
  /** The output of a filter block or block assignment. */
  protected captured: Value = ''

  constructor(readonly budget: Budget) {}

  filter(name: string, value: Value, args: Args): Value {
    this.budget.spend()
    const filter = textFilters.get(name) ?? listFilters.get(name)
    if (!filter) throw new Error(`No filter named '${name}'.`)
    this.budget.read(value)
    return this.made(filter(this, value, args))
  }

  test(name: string, value: Value, args: Args): boolean {
    this.budget.spend()
    // Whether a name is one of a filter or a test.
    if (name === 'filter') return textFilters.has(String(value)) || listFilters.has(String(value))
    if (name === 'test') return tests.has(String(value))
    const test = tests.get(name)
    if (!test) throw new Error(`No test named '${name}'.`)
    this.budget.read(value)
    return test(this, value, args)
  }

  /** @throws TypeError when the value is not a function; for a missing value, with its message. */
  call(callee: Value, args: Args): Value {
    this.budget.spend()
    const called = defined(callee)
    const run = called instanceof Func || called instanceof Attributes ? called.call : undefined
    if (!run) throw new TypeError(`'${typeName(callee)}' object is not callable`)
    if (this.depth >= DEEPEST_CALLS) throw new Error(`more than ${DEEPEST_CALLS} calls inside one another`)
    this.depth++
    const result = run(args)
    this.depth--
    return this.made(result)
  }

  private made(value: Value): Value {
    if (typeof value === 'string') this.budget.characters(value.length)
    return value
  }

  args(args: CallArguments, scope: Scope): Args {
    const positional = args.positional.map((e) => this.evaluate(e, scope))
    const named = new Map(args.named.map(([name, e]) => [name, this.evaluate(e, scope)]))
    if (args.rest) positional.push(...iterate(this.evaluate(args.rest, scope)))
    const rest = args.namedRest && this.evaluate(args.namedRest, scope)
    if (rest instanceof Dict) for (const [key, value] of rest.pairs()) named.set(String(key), value)
    else if (rest !== undefined)
      throw new TypeError(`argument after ** must be a mapping, not ${typeName(rest)}`)
    return { positional, named }
  }

  evaluate(e: Expression, scope: Scope): Value {
    this.budget.spend()
    switch (e.type) {
      case 'constant':
        return e.value
      case 'captured':
        return this.captured
      case 'name':
        return scope.get(e.name)
      case 'attribute':
        return getAttribute(this.evaluate(e.object, scope), e.name, this.budget)
      case 'item':
        return getItem(this.evaluate(e.object, scope), this.evaluate(e.key, scope), this.budget)
      case 'slice': {
        const object = this.evaluate(e.object, scope)
        const [start, stop, step] = e.bounds.map((bound) => this.evaluate(bound, scope))
        this.budget.read(object)
        return slice(object, start ?? null, stop ?? null, step ?? null)
      }
      case 'call': {
        const callee = this.evaluate(e.callee, scope)
        return this.call(callee, this.args(e.args, scope))
      }
      case 'filter': {
        const value = this.evaluate(e.value, scope)
        return this.filter(e.name, value, this.args(e.args, scope))
      }
      case 'test': {
        const value = this.evaluate(e.value, scope)
        return this.test(e.name, value, this.args(e.args, scope))
      }
      case 'and': {
        const left = this.evaluate(e.left, scope)
        return isTrue(left) ? this.evaluate(e.right, scope) : left
      }
      case 'or': {
        const left = this.evaluate(e.left, scope)
        return isTrue(left) ? left : this.evaluate(e.right, scope)
      }
      case 'not':
        return !isTrue(this.evaluate(e.operand, scope))
      case 'negative':
      case 'positive':
        return signed(e.type, this.evaluate(e.operand, scope))
      case 'arithmetic':
        return operate(e.operator, this.evaluate(e.left, scope), this.evaluate(e.right, scope), this.budget)
      case 'concat':
        return this.concat(e.items.map((item) => this.evaluate(item, scope)))
      case 'compare':
        return this.compare(e, scope)
      case 'conditional':
        return this.conditional(e, scope)
      case 'list':
        return e.items.map((item) => this.evaluate(item, scope))
      case 'tuple':
        return Tuple.from1(e.items.map((item) => this.evaluate(item, scope)))
      case 'dict':
        return new Dict(
          e.pairs.map(([key, value]) => [this.evaluate(key, scope), this.evaluate(value, scope)]),
        )
    }
  }

  private concat(values: Value[]): string {
    const texts = values.map((value) => textOf(value, this.budget))
    this.budget.characters(texts.reduce((sum, text) => sum + text.length, 0))
    return texts.join('')
  }

  private compare(e: Expression & { type: 'compare' }, scope: Scope): boolean {
    let left = this.evaluate(e.first, scope)
    for (const [operator, operand] of e.rest) {
      const right = this.evaluate(operand, scope)
      if (!comparison(operator, left, right, this.budget)) return false
      left = right
    }
    return true
  }

  private conditional(e: Expression & { type: 'conditional' }, scope: Scope): Value {
    if (isTrue(this.evaluate(e.test, scope))) return this.evaluate(e.yes, scope)
    if (e.no) return this.evaluate(e.no, scope)
    return new Undefined(
      `the inline if-expression on line ${e.line} evaluated to false and no else section was defined.`,
    )
  }
}
