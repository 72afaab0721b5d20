import { Script } from 'node:vm'
import { join } from 'node:path'
import { Failures } from './failure'
import { Run, type Interrupts } from './interrupt'
import { cellUrl, type RunOutcome, type RunRequest } from './messages'
import { CellModules } from './modules'
import { plain, render, renderFully } from './render'
import type { Bundle } from './messages'

export interface ExecutorOptions {
  folder: string
  interrupts: Interrupts
  tslab: unknown
  onResult: (data: Bundle) => void
}

/** Runs converted cells. What a cell declares is stored in `exports`, where the code of the next cells finds it. */
export class Executor {
  readonly exports: Record<string, unknown>
  readonly failures = new Failures()
  private readonly modules: CellModules
  /** An unhandled rejection that Node reported while a cell ran or just after: it counts as the cell's error. */
  private rejection: { reason: unknown } | undefined

  constructor(private readonly options: ExecutorOptions) {
    this.exports = openExports()
    this.modules = new CellModules(options.folder, options.tslab, options.interrupts)
    options.interrupts.isHelper = (file) => this.modules.isHelper(file)
    // Under stock tslab the library finds the cells' `require` there; helper files find `q`.
    Object.assign(globalThis, {
      __tslab__: { exports: this.exports, require: this.modules.require, q: options.interrupts, render },
    })
  }

  /** Returns true if a cell was running, which takes the rejection as its own error. */
  rejected(reason: unknown): boolean {
    if (!this.options.interrupts.foreground) return false
    this.rejection ??= { reason }
    return true
  }

  async run(request: RunRequest): Promise<RunOutcome> {
    const { interrupts } = this.options
    const run = new Run(request.id)
    interrupts.start(run)
    this.rejection = undefined
    try {
      await interrupts.wait(this.prepare(request))
      await this.start(request)
      const value = this.takeLast(request)
      // Node reports unhandled rejections only after the microtasks.
      await new Promise((resolve) => setImmediateOriginal(resolve))
      this.throwRejection()
      await this.result(request, value)
      return { userExpressions: this.expressions(request.userExpressions) }
    } catch (error) {
      return { error: this.failures.describe(error), userExpressions: {} }
    } finally {
      if (interrupts.foreground === run) interrupts.foreground = undefined
    }
  }

  /**
   * Runs a cell beside the one in the foreground, possibly in the middle of it. Without an await it has ended
   * when this returns, and needed no microtask.
   */
  runBeside(request: RunRequest, done: (outcome: RunOutcome) => void): void {
    const { interrupts } = this.options
    const run = new Run(request.id, true)
    const fail = (error: unknown): void => done({ error: this.failures.describe(error), userExpressions: {} })
    const finish = (): void => {
      const shown = this.result(request, this.takeLast(request))
      const end = (): void => done({ userExpressions: this.expressions(request.userExpressions) })
      if (shown) shown.then(() => interrupts.as(run, end)).catch(fail)
      else end()
    }
    try {
      const prepared = interrupts.as(run, () => this.prepare(request))
      const start = (): unknown => interrupts.as(run, () => this.start(request))
      const ended = prepared ? prepared.then(start) : start()
      if (ended instanceof Promise) ended.then(() => interrupts.as(run, finish)).catch(fail)
      else interrupts.as(run, finish)
    } catch (error) {
      fail(error)
    }
  }

  /** A promise if a package needs one to load. */
  private prepare({
    cell,
    lines,
    source,
    imports = [],
    sideOutputs,
  }: RunRequest): Promise<unknown> | undefined {
    this.failures.remember(cell, lines, source)
    for (const { path, lines = [] } of sideOutputs) this.failures.rememberFile(path, lines)
    return this.modules.prepare(imports, sideOutputs)
  }

  private throwRejection(): void {
    if (this.rejection) throw this.rejection.reason
  }

  /** Runs the cell up to its first await; returns a promise if it has one. */
  private start(request: RunRequest): unknown {
    const { folder, interrupts } = this.options
    const filename = cellUrl(request.cell)
    const cell = new Script(request.code, { filename }).runInThisContext() as (...given: unknown[]) => unknown
    const module = { exports: this.exports }
    return cell(this.exports, this.modules.require, module, join(folder, filename), folder, interrupts)
  }

  /** Takes the value of the last expression at once, before another cell's replaces it. */
  private takeLast({ lastExpression }: RunRequest): unknown {
    if (lastExpression === undefined) return undefined
    const value = this.exports[lastExpression]
    delete this.exports[lastExpression]
    return value
  }

  /** A promise if the value's own display method is asynchronous. */
  private result(request: RunRequest, value: unknown): Promise<void> | undefined {
    if (value === undefined || request.silent) return undefined
    const { interrupts, onResult } = this.options
    const describe = (error: unknown): string => this.failures.describe(error).traceback.join('\n')
    const bundle = renderFully(value, describe)
    if (bundle instanceof Promise) return (interrupts.wait(bundle) as Promise<Bundle>).then(onResult)
    if (Object.keys(bundle).length > 0) onResult(bundle)
    return undefined
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

/** TypeScript defines imported names as getters; as plain values, later cells can declare them again. */
function openExports(): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  return new Proxy(values, {
    defineProperty(_target, name, attributes) {
      if (name !== '__esModule') values[name as string] = attributes.get ? attributes.get() : attributes.value
      return true
    },
  })
}
