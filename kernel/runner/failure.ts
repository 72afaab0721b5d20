import { plain } from './render'
import type { Failure } from './messages'

const cellFrame = /cell-(\d+)\.ts:(\d+)(?::\d+)?/g

/** Turns what a cell threw into an error output: the cells' own lines, no frames of the kernel or of Node. */
export class Failures {
  private readonly tables = new Map<number, readonly number[]>()

  /** `lines` maps the lines of the cell's JavaScript to the cell's. */
  remember(cell: number, lines: readonly number[]): void {
    this.tables.set(cell, lines)
  }

  describe(thrown: unknown): Failure {
    if (!isError(thrown))
      return { ename: 'Uncaught', evalue: plain(thrown), traceback: [`Uncaught ${plain(thrown)}`] }
    const ename = String(thrown.name || 'Error')
    const evalue = String(thrown.message)
    return {
      ename,
      evalue,
      traceback: [`${ename}: ${evalue}`, ...this.frames(thrown), ...this.causes(thrown)],
    }
  }

  private frames(error: Error): string[] {
    const lines = String(error.stack ?? '').split('\n')
    return lines.filter((line) => /^\s+at /.test(line) && !isInternal(line)).map((line) => this.mapped(line))
  }

  private causes(error: Error): string[] {
    const inner =
      error instanceof AggregateError ? error.errors : error.cause === undefined ? [] : [error.cause]
    return inner.flatMap((cause) => ['Caused by:', ...this.describe(cause).traceback])
  }

  private mapped(line: string): string {
    const text = line.replace(cellFrame, (_, cell: string, at: string) => {
      const mapped = this.tables.get(Number(cell))?.[Number(at) - 1]
      return mapped ? `cell [${cell}], line ${mapped}` : `cell [${cell}]`
    })
    // The cell itself is an anonymous function of the kernel's.
    return text.replace(/at (?:async )?\((cell .*)\)$/, 'at $1')
  }
}

function isInternal(line: string): boolean {
  if (/\(?(node:|file:.*node:)/.test(line)) return true
  return line.includes(__dirname) && !/cell-\d+\.ts/.test(line)
}

function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
}
