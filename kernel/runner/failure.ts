import { resolve } from 'node:path'
import { isError, plain, shortened } from './render'
import type { Failure } from './messages'

const cellFrame = /cell-(\d+)\.ts:(\d+)(?::\d+)?/g

/**
 * Converts what a cell threw into an error output: the cells' own lines, without frames of the kernel or of
 * Node.
 */
export class Failures {
  private readonly tables = new Map<number, readonly number[]>()
  private readonly sources = new Map<number, readonly string[]>()
  private readonly files = new Map<string, readonly number[]>()
  /** Errors whose stack already contains these lines. */
  private readonly told = new WeakSet<Error>()

  /** `lines` maps the lines of the cell's JavaScript to those of its `source`. */
  remember(cell: number, lines: readonly number[], source = ''): void {
    this.tables.set(cell, lines)
    this.sources.set(cell, source.split('\n'))
  }

  /** The same for a helper file. */
  rememberFile(path: string, lines: readonly number[]): void {
    this.files.set(resolve(path), lines)
  }

  describe(thrown: unknown): Failure {
    try {
      return this.described(thrown, new Set())
    } catch (error) {
      // A property of the error throws when it is read.
      const evalue = `an error that cannot be shown: ${plain(error)}`
      return { ename: 'Uncaught', evalue, traceback: [`Uncaught ${evalue}`] }
    }
  }

  /** For `Error.prepareStackTrace`: an error that a cell prints has the same lines as an error that ends a cell. */
  stack(error: Error, sites: readonly NodeJS.CallSite[]): string {
    this.told.add(error)
    const frames = sites.map((site) => `    at ${String(site)}`).filter((line) => !isInternal(line))
    return [headOf(error), ...frames.map((line) => this.mapped(line))].join('\n')
  }

  private described(thrown: unknown, seen: Set<unknown>): Failure {
    if (!isError(thrown))
      return { ename: 'Uncaught', evalue: plain(thrown), traceback: [`Uncaught ${plain(thrown)}`] }
    const ename = String(thrown.name || 'Error')
    const evalue = shortened(String(thrown.message))
    seen.add(thrown)
    const frames = this.frames(thrown)
    const traceback = [`${ename}: ${evalue}`, ...this.place(frames), ...folded(frames)]
    return { ename, evalue, traceback: [...traceback, ...this.causes(thrown, seen)] }
  }

  /** The innermost line of a cell, as it was written. */
  private place(frames: readonly string[]): string[] {
    for (const frame of frames) {
      const [, cell, line] = /\bcell \[(\d+)\], line (\d+)/.exec(frame) ?? []
      const source = this.sources.get(Number(cell))?.[Number(line) - 1]?.trim()
      if (source) return [`--> cell [${cell}], line ${line}:  ${source}`]
      if (cell) return []
    }
    return []
  }

  private frames(error: Error): string[] {
    const lines = String(error.stack ?? '').split('\n')
    const frames = lines.filter((line) => /^\s+at /.test(line) && !isInternal(line))
    return this.told.has(error) ? frames : frames.map((line) => this.mapped(line))
  }

  private causes(error: Error, seen: Set<unknown>): string[] {
    const inner =
      error instanceof AggregateError ? error.errors : error.cause === undefined ? [] : [error.cause]
    return inner
      .filter((cause: unknown) => !seen.has(cause))
      .flatMap((cause: unknown) => ['Caused by:', ...this.described(cause, seen).traceback])
  }

  private mapped(line: string): string {
    const text = line.replace(cellFrame, (_, cell: string, at: string) => {
      const mapped = this.tables.get(Number(cell))?.[Number(at) - 1]
      return mapped ? `cell [${cell}], line ${mapped}` : `cell [${cell}]`
    })
    for (const [file, table] of this.files) {
      const [before, after] = text.split(`${file}:`)
      const at = /^\d+/.exec(after ?? '')?.[0]
      if (at) {
        const rest = after!.slice(at.length).replace(/^:\d+/, '')
        return `${before}${file}:${table[Number(at) - 1] || at}${rest}`
      }
    }
    // The cell itself is an anonymous function of the kernel.
    return text.replace(/at (?:async )?\((cell .*)\)$/, 'at $1')
  }
}

/** Two or more frames of packages in a row tell the reader of a cell little: `error.stack` has them. */
function folded(frames: readonly string[]): string[] {
  const isPackage = (frame: string): boolean => /[/\\]node_modules[/\\]|[/\\]dist[/\\]/.test(frame)
  const shown: string[] = []
  for (let at = 0; at < frames.length;) {
    let end = at
    while (end < frames.length && isPackage(frames[end]!)) end++
    if (end - at > 1) shown.push(`    ... ${end - at} frames of packages, which error.stack has`)
    else shown.push(...frames.slice(at, Math.max(end, at + 1)))
    at = Math.max(end, at + 1)
  }
  return shown
}

/** The first lines as V8 writes them; Node adds the code of its own errors. */
function headOf(error: Error): string {
  try {
    const { code } = error as { code?: unknown }
    const head = Error.prototype.toString.call(error)
    if (typeof code !== 'string' || !code.startsWith('ERR_') || head.includes(code)) return head
    return `${error.name} [${code}]: ${error.message}`
  } catch {
    return 'Error'
  }
}

function isInternal(line: string): boolean {
  if (/\(?(node:|file:.*node:)/.test(line)) return true
  return line.includes(__dirname) && !/cell-\d+\.ts/.test(line)
}
