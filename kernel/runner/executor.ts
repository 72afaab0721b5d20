import { Script } from 'node:vm'
import { join } from 'node:path'
import { Failures } from './failure'
import { Run, type Interrupts } from './interrupt'
import type { RunOutcome, RunRequest } from './messages'
import { CellModules } from './modules'
import { plain, render } from './render'
import type { Bundle } from './messages'

export interface ExecutorOptions {
  folder: string
  interrupts: Interrupts
  tslab: unknown
  onResult: (data: Bundle) => void
}

/** Runs converted cells. What a cell declares lands on `exports`, where the next cells' code looks for it. */
export class Executor {
  readonly exports: Record<string, unknown>
  readonly failures = new Failures()
  private readonly modules: CellModules
  /** Rejections nobody handled, told while or right after a cell ran: they are that cell's error. */
  private rejection: { reason: unknown } | undefined

  constructor(private readonly options: ExecutorOptions) {
    this.exports = openExports()
    this.modules = new CellModules(options.folder, options.tslab)
    // The library under stock tslab finds the cells' `require` there; helper files find `q`.
    Object.assign(globalThis, {
      __tslab__: { exports: this.exports, require: this.modules.require, q: options.interrupts },
    })
  }

  /** True if a cell was running and takes the rejection as its own. */
  rejected(reason: unknown): boolean {
    if (!this.options.interrupts.foreground) return false
    this.rejection ??= { reason }
    return true
  }

  async run(request: RunRequest): Promise<RunOutcome> {
    const { interrupts } = this.options
    const run = new Run(request.id)
    interrupts.foreground = interrupts.current = run
    this.rejection = undefined
    this.failures.remember(request.cell, request.lines)
    try {
      this.modules.update(request.sideOutputs)
      await this.call(request)
      // Node tells of unhandled rejections only after the microtasks.
      await new Promise((resolve) => setImmediateOriginal(resolve))
      this.throwRejection()
      this.result(request)
      return { userExpressions: this.expressions(request.userExpressions) }
    } catch (error) {
      return { error: this.failures.describe(error), userExpressions: {} }
    } finally {
      if (interrupts.foreground === run) interrupts.foreground = undefined
    }
  }

  private throwRejection(): void {
    if (this.rejection) throw this.rejection.reason
  }

  private async call(request: RunRequest): Promise<void> {
    const { folder, interrupts } = this.options
    const filename = `cell-${request.cell}.ts`
    const cell = new Script(request.code, { filename }).runInThisContext() as (...given: unknown[]) => unknown
    const module = { exports: this.exports }
    await cell(this.exports, this.modules.require, module, join(folder, filename), folder, interrupts)
  }

  private result(request: RunRequest): void {
    if (request.lastExpression === undefined) return
    const value = this.exports[request.lastExpression]
    delete this.exports[request.lastExpression]
    if (value !== undefined && !request.silent) this.options.onResult(render(value))
  }

  private expressions(expressions: Record<string, string>): Record<string, unknown> {
    const evaluate = (expression: string): unknown => {
      try {
        const scope = new Script(`(function(exports) { with (exports) { return (${expression}\n) } })`)
        const value = (scope.runInThisContext() as (exports: unknown) => unknown)(this.exports)
        return { status: 'ok', data: { 'text/plain': plain(value) }, metadata: {} }
      } catch (error) {
        return { status: 'error', ...this.failures.describe(error) }
      }
    }
    return Object.fromEntries(Object.entries(expressions).map(([name, text]) => [name, evaluate(text)]))
  }
}

const setImmediateOriginal = setImmediate

/** TypeScript defines imported names as getters; as plain values a later cell may declare them anew. */
function openExports(): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  return new Proxy(values, {
    defineProperty(_target, name, attributes) {
      if (name !== '__esModule') values[name as string] = attributes.get ? attributes.get() : attributes.value
      return true
    },
  })
}
