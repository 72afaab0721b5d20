import type { Content } from '../protocol/message'

interface Entry {
  line: number
  input: string
  output?: string
}

/** What this session ran, in memory. */
export class History {
  private readonly entries: Entry[] = []

  add(line: number, input: string): void {
    this.entries.push({ line, input })
  }

  setOutput(line: number, output: string): void {
    const entry = this.entries.filter((found) => found.line === line).at(-1)
    if (entry) entry.output = output
  }

  /** The `history` of a history_reply: [session, line, input] or [session, line, [input, output]]. */
  answer(request: Content): unknown[] {
    return this.select(request).map(({ line, input, output }) =>
      request.output === true ? [0, line, [input, output ?? null]] : [0, line, input],
    )
  }

  private select(request: Content): Entry[] {
    const count = typeof request.n === 'number' ? request.n : this.entries.length
    if (request.hist_access_type === 'range') {
      const start = typeof request.start === 'number' ? request.start : 0
      const stop = typeof request.stop === 'number' ? request.stop : Infinity
      return this.entries.filter(({ line }) => line >= start && line < stop)
    }
    if (request.hist_access_type === 'search') {
      const pattern = globPattern(typeof request.pattern === 'string' ? request.pattern : '*')
      const found = this.entries.filter(({ input }) => pattern.test(input))
      const kept = request.unique === true ? found.filter(isLastOf(found)) : found
      return kept.slice(Math.max(0, kept.length - count))
    }
    return this.entries.slice(Math.max(0, this.entries.length - count))
  }
}

function isLastOf(entries: Entry[]): (entry: Entry) => boolean {
  const last = new Map(entries.map((entry) => [entry.input, entry]))
  return (entry) => last.get(entry.input) === entry
}

function globPattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's')
}
