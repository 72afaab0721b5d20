import type { Content } from '../protocol/message'
import { HistoryFile, type Entry } from './history-file'

/** The cells of this session, and those of earlier ones if there is a file. */
export class History {
  private readonly own: Entry[] = []
  private readonly file: HistoryFile | undefined

  constructor(path?: string) {
    this.file = path === undefined ? undefined : new HistoryFile(path)
  }

  add(line: number, input: string): void {
    const entry: Entry = { session: 0, line, input }
    this.own.push(entry)
    this.file?.add(entry)
  }

  setOutput(line: number, output: string): void {
    const entry = this.own.filter((found) => found.line === line).at(-1)
    if (!entry) return
    entry.output = output
    this.file?.add(entry)
  }

  /** The `history` of a history_reply: [session, line, input] or [session, line, [input, output]]. */
  async answer(request: Content): Promise<unknown[]> {
    const entries = await this.select(request)
    return entries.map(({ session, line, input, output }) =>
      request.output === true ? [session, line, [input, output ?? null]] : [session, line, input],
    )
  }

  private async select(request: Content): Promise<Entry[]> {
    const { earlier, session } = (await this.file?.read()) ?? { earlier: [], session: 0 }
    const own = this.own.map((entry) => ({ ...entry, session }))
    if (request.hist_access_type === 'range') {
      const asked = typeof request.session === 'number' ? request.session : 0
      // 0 is this session, -1 the previous one.
      const wanted = asked > 0 ? asked : session + asked
      const start = typeof request.start === 'number' ? request.start : 0
      const stop = typeof request.stop === 'number' ? request.stop : Infinity
      const inRange = ({ line }: Entry): boolean => line >= start && line < stop
      if (wanted === session) return own.filter(inRange).map((entry) => ({ ...entry, session: asked }))
      return earlier.filter((entry) => entry.session === wanted && inRange(entry))
    }
    const all = [...earlier, ...own]
    const count = typeof request.n === 'number' ? request.n : all.length
    if (request.hist_access_type === 'search') {
      const pattern = globPattern(typeof request.pattern === 'string' ? request.pattern : '*')
      const found = all.filter(({ input }) => pattern.test(input))
      const kept = request.unique === true ? found.filter(isLastOf(found)) : found
      return kept.slice(Math.max(0, kept.length - count))
    }
    return all.slice(Math.max(0, all.length - count))
  }
}

function isLastOf(entries: Entry[]): (entry: Entry) => boolean {
  const last = new Map(entries.map((entry) => [entry.input, entry]))
  return (entry) => last.get(entry.input) === entry
}

/** `*`, `?`, `[abc]` and `[^abc]`, as in IPython's history. */
function globPattern(glob: string): RegExp {
  const source = glob.replace(/\[(\^?)([^\]]+)\]|[\s\S]/g, (found, not: string, set?: string) => {
    if (set !== undefined) return `[${not}${set.replace(/[\\\]^]/g, '\\$&')}]`
    if (found === '*') return '.*'
    return found === '?' ? '.' : found.replace(/[.+^${}()|[\]\\]/, '\\$&')
  })
  return new RegExp(`^${source}$`, 's')
}
