import { Evaluator } from './evaluate'
import { globals } from './globals'
import type { Budget } from './limits'
import { loopVariable, type LoopState } from './loop'
import { macroFunction } from './macro'
import { textOf } from './python-text'
import { Scope } from './scope'
import { iterate } from './sequences'
import type { CallArguments, Expression, MacroBody, Statement } from './syntax'
import { isTrue, type Func, type Value } from './values'

/** How a body ended: at its end, or by leaving a loop. */
type Ending = 'break' | 'continue' | undefined

/** The text printed so far. */
class Output {
  private readonly pieces: string[] = []
  length = 0

  constructor(private readonly budget: Budget) {}

  add(text: string): void {
    this.length += text.length
    this.budget.characters(this.length, text.length)
    this.pieces.push(text)
  }

  text(): string {
    return this.pieces.join('')
  }
}

/** Executes the statements of one template, once. */
export class Interpreter extends Evaluator {
  /** Line of the statement that runs. */
  line = 1
  /** Ranges [start, end) of the text inside `{% generation %}` blocks, as transformers counts them. */
  readonly spans: [number, number][] = []
  private readonly printed: Output
  private output: Output

  constructor(budget: Budget) {
    super(budget)
    this.printed = this.output = new Output(budget)
  }

  /** Renders the template with these variables. */
  render(statements: readonly Statement[], variables: Iterable<readonly [string, Value]>): string {
    const context = new Scope()
    for (const [name, value] of globals(this.budget)) context.set(name, value)
    for (const [name, value] of variables) context.set(name, value)
    this.run(statements, new Scope(context))
    return this.printed.text()
  }

  private run(statements: readonly Statement[], scope: Scope): Ending {
    for (const statement of statements) {
      this.budget.spend()
      this.line = statement.line
      const ending = this.statement(statement, scope)
      if (ending) return ending
    }
    return undefined
  }

  private statement(s: Statement, scope: Scope): Ending {
    switch (s.type) {
      case 'text':
        this.output.add(s.text)
        return undefined
      case 'print':
        this.output.add(textOf(this.evaluate(s.value, scope), this.budget))
        return undefined
      case 'if': {
        const branch = s.branches.find(([test]) => isTrue(this.evaluate(test, scope)))
        return this.run(branch ? branch[1] : s.otherwise, scope)
      }
      case 'for':
        return this.for(s, scope)
      case 'break':
      case 'continue':
        return s.type
      case 'set':
        scope.assign(s.target, this.evaluate(s.value, scope))
        return undefined
      case 'set_block':
        scope.assign(s.target, this.filtered(s.body, s.value, scope))
        return undefined
      case 'filter_block':
        this.output.add(textOf(this.filtered(s.body, s.value, scope), this.budget))
        return undefined
      case 'with': {
        const inner = new Scope(scope)
        const values = s.values.map((value) => this.evaluate(value, scope))
        s.targets.forEach((target, i) => inner.assign(target, values[i] ?? null))
        return this.run(s.body, inner)
      }
      case 'macro':
        scope.set(s.name, this.macro(s.name, s.macro, scope))
        return undefined
      case 'call':
        this.callBlock(s.call, this.macro('caller', s.macro, scope), scope)
        return undefined
      case 'generation': {
        const start = this.printed.length
        const text = this.capture(() => this.run(s.body, new Scope(scope)))
        this.spans.push([start, start + text.length])
        this.output.add(text)
        return undefined
      }
      case 'block':
        return this.run(s.body, new Scope(scope))
    }
  }

  /** The output of `run`, as text. */
  private capture(run: () => void): string {
    const outer = this.output
    const inner = (this.output = new Output(this.budget))
    run()
    this.output = outer
    return inner.text()
  }

  private filtered(body: readonly Statement[], filters: Expression, scope: Scope): Value {
    const text = this.capture(() => this.run(body, new Scope(scope)))
    this.captured = text
    return this.evaluate(filters, scope)
  }

  private macro(name: string, macro: MacroBody, scope: Scope): Func {
    return macroFunction(name, macro, {
      inner: () => new Scope(scope),
      default: (index, inner) => {
        const value = macro.defaults[index]
        return value ? this.evaluate(value, inner) : null
      },
      body: (inner) => this.capture(() => this.run(macro.body, inner)),
    })
  }

  private callBlock(call: Expression, caller: Func, scope: Scope): void {
    if (call.type !== 'call') return
    const args: CallArguments = call.args
    const callee = this.evaluate(call.callee, scope)
    const given = this.args(args, scope)
    const result = this.call(callee, { ...given, named: new Map([...given.named, ['caller', caller]]) })
    this.output.add(textOf(result, this.budget))
  }

  private for(loop: Statement & { type: 'for' }, scope: Scope): Ending {
    this.loop(loop, this.evaluate(loop.iterable, scope), scope, 0)
    return undefined
  }

  private loop(loop: Statement & { type: 'for' }, iterable: Value, scope: Scope, depth: number): void {
    const { target, test, body, otherwise, recursive } = loop
    const items = iterate(iterable).filter((item) => {
      if (!test) return true
      const inner = new Scope(scope)
      inner.assign(target, item)
      return isTrue(this.evaluate(test, inner))
    })
    const state: LoopState = { items, index: 0, depth, last: undefined }
    const recurse = ({ positional: [other = null] }: { positional: readonly Value[] }): string =>
      this.capture(() => this.loop(loop, other, scope, depth + 1))
    const variable = loopVariable(state, recursive ? recurse : undefined, this.budget)
    for (; state.index < items.length; state.index++) {
      const inner = new Scope(scope)
      inner.set('loop', variable)
      inner.assign(target, items[state.index] ?? null)
      if (this.run(body, inner) === 'break') return
    }
    if (items.length === 0) this.run(otherwise, new Scope(scope))
  }
}
