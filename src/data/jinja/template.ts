import { messageOf } from '../../files/atomic'
import { fromData } from './from-data'
import { RaisedException } from './globals'
import { Interpreter } from './interpreter'
import { TemplateSyntaxError } from './lexer'
import { Budget, type RenderLimits } from './limits'
import { parse } from './parse'
import type { Statement } from './syntax'

/** The result of a rendering. */
export interface Rendered {
  text: string
  /** Ranges [start, end) of `text` inside `{% generation %}` blocks. */
  spans: [number, number][]
}

/**
 * A chat template: Jinja as transformers runs it (jinja2's immutable sandbox, `trim_blocks`, `lstrip_blocks`,
 * loop controls, `{% generation %}`), where values behave and print as in Python.
 */
export class Template {
  private readonly statements: readonly Statement[]

  /** @throws Error with the line when the source is not a valid template. */
  constructor(source: string) {
    try {
      this.statements = parse(source)
    } catch (error) {
      throw explained(error, error instanceof TemplateSyntaxError ? error.line : undefined)
    }
  }

  /** @throws Error with the line: the template's own rejection, an error in it, or an exceeded limit. */
  render(variables: Readonly<Record<string, unknown>>, limits?: RenderLimits): Rendered {
    const budget = new Budget(limits)
    const interpreter = new Interpreter(budget)
    try {
      const values = Object.entries(variables).map(([name, data]) => [name, fromData(data, budget)] as const)
      const text = interpreter.render(this.statements, values)
      return { text, spans: interpreter.spans }
    } catch (error) {
      throw explained(error, error instanceof RaisedException ? undefined : interpreter.line)
    }
  }
}

function explained(error: unknown, line: number | undefined): Error {
  // JavaScript's own error for a full stack.
  const message =
    error instanceof RangeError && /call stack/i.test(error.message) ? 'nested too deeply' : messageOf(error)
  return new Error(line === undefined ? message : `${message} (line ${line} of the template)`, {
    cause: error,
  })
}
