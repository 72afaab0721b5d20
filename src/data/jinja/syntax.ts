import type { Value } from './values'

/** Arguments of a call, filter or test, as written. */
export interface CallArguments {
  positional: Expression[]
  named: [name: string, value: Expression][]
  /** `*args` and `**kwargs`. */
  rest?: Expression
  namedRest?: Expression
}

/** A name, `namespace.attribute`, or a tuple of targets. */
export type Target =
  | { type: 'name'; name: string }
  | { type: 'attribute'; namespace: string; name: string }
  | { type: 'tuple'; targets: Target[] }

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**'
export type ComparisonOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in'

export type Expression =
  | { type: 'constant'; value: Value }
  | { type: 'name'; name: string }
  | { type: 'list' | 'tuple'; items: Expression[] }
  | { type: 'dict'; pairs: [key: Expression, value: Expression][] }
  | { type: 'arithmetic'; operator: ArithmeticOperator; left: Expression; right: Expression }
  | { type: 'negative' | 'positive' | 'not'; operand: Expression }
  | { type: 'and' | 'or'; left: Expression; right: Expression }
  | { type: 'concat'; items: Expression[] }
  | { type: 'compare'; first: Expression; rest: [operator: ComparisonOperator, operand: Expression][] }
  | { type: 'conditional'; test: Expression; yes: Expression; no: Expression | undefined; line: number }
  | { type: 'attribute'; object: Expression; name: string }
  | { type: 'item'; object: Expression; key: Expression }
  | { type: 'slice'; object: Expression; bounds: [start: Expression, stop: Expression, step: Expression] }
  | { type: 'call'; callee: Expression; args: CallArguments }
  | { type: 'filter'; name: string; value: Expression; args: CallArguments }
  | { type: 'test'; name: string; value: Expression; args: CallArguments }
  /** The text that a filter block or a block assignment captured. */
  | { type: 'captured' }

/** Parameters of a macro or a call block; the last `defaults.length` of them have defaults. */
export interface Signature {
  names: string[]
  defaults: Expression[]
}

/** The body of a macro or call block, and which of `caller`, `varargs`, `kwargs` it uses. */
export interface MacroBody extends Signature {
  body: Statement[]
  mentions: ReadonlySet<string>
}

export type Statement = { line: number } & (
  | { type: 'text'; text: string }
  | { type: 'print'; value: Expression }
  | { type: 'if'; branches: [test: Expression, body: Statement[]][]; otherwise: Statement[] }
  | {
      type: 'for'
      target: Target
      iterable: Expression
      test: Expression | undefined
      recursive: boolean
      body: Statement[]
      otherwise: Statement[]
    }
  | { type: 'break' | 'continue' }
  | { type: 'set'; target: Target; value: Expression }
  /** `value`: the filters that are applied to the body's output. */
  | { type: 'set_block'; target: Target; value: Expression; body: Statement[] }
  | { type: 'filter_block'; value: Expression; body: Statement[] }
  | { type: 'with'; targets: Target[]; values: Expression[]; body: Statement[] }
  | { type: 'macro'; name: string; macro: MacroBody }
  | { type: 'call'; call: Expression; macro: MacroBody }
  | { type: 'generation'; body: Statement[] }
  | { type: 'block'; body: Statement[] }
)
