import { randomUUID } from 'node:crypto'
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface Entry {
  /** Counted from 1, in the order in which sessions appear in the file; 0 if there is no file. */
  session: number
  line: number
  input: string
  output?: string
}

/** A line of the file; a second one with the same session and line adds the output. */
interface Stored {
  session: string
  line: number
  input?: string
  output?: string
}

/** Keeps the numbers of sessions after older ones were removed from the file's beginning. */
interface Head {
  dropped: number
}

interface Read {
  earlier: Entry[]
  /** This session's number. */
  session: number
}

const maxBytes = 8_000_000
const keptBytes = maxBytes / 2
const maxOutput = 10_000

/**
 * The inputs of all kernels of this user, one JSON object per line. Kernels only append, so no lock is needed.
 * If the file cannot be written, the kernel continues with what is in memory.
 */
export class HistoryFile {
  private readonly id = randomUUID()
  private usable = true
  private tail: Promise<void>
  private readonly stored = new Set<number>()

  constructor(private readonly path: string) {
    this.tail = this.then(() => this.open())
  }

  /** The first call stores the input, the second one the output. */
  add({ line, input, output }: Entry): void {
    const known = this.stored.has(line)
    this.stored.add(line)
    const rest = known ? { output: (output ?? '').slice(0, maxOutput) } : { input }
    const stored: Stored = { session: this.id, line, ...rest }
    const text = JSON.stringify(stored) + '\n'
    this.tail = this.then(() => appendFile(this.path, text, { mode: 0o600 }))
  }

  async read(): Promise<Read> {
    await this.tail
    const content = await readFile(this.path, 'utf8').catch(() => '')
    const entries = new Map<string, Entry>()
    const sessions = new Map<string, number>()
    let dropped = 0
    for (const stored of parse(content)) {
      if ('dropped' in stored) {
        dropped = stored.dropped
        continue
      }
      const { session: id, line, input, output } = stored
      if (!sessions.has(id)) sessions.set(id, dropped + sessions.size + 1)
      const session = sessions.get(id)!
      const key = `${id} ${line}`
      const before = entries.get(key)
      if (before && input === undefined) before.output = output ?? ''
      else if (input !== undefined)
        entries.set(key, { session, line, input, ...(output !== undefined && { output }) })
    }
    const session = sessions.get(this.id) ?? dropped + sessions.size + 1
    return { earlier: [...entries.values()].filter((entry) => entry.session !== session), session }
  }

  private async open(): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true })
    const content = await readFile(this.path, 'utf8').catch(() => '')
    if (content.length <= maxBytes) return
    const cut = content.indexOf('\n', content.length - keptBytes) + 1
    const ids = (text: string): Set<string> =>
      new Set(parse(text).flatMap((stored) => ('session' in stored ? [stored.session] : [])))
    const head = parse(content.slice(0, cut)).find((stored): stored is Head => 'dropped' in stored)
    const kept = ids(content.slice(cut))
    const gone = [...ids(content.slice(0, cut))].filter((id) => !kept.has(id))
    const temporary = `${this.path}.${this.id}`
    const first: Head = { dropped: (head?.dropped ?? 0) + gone.length }
    await writeFile(temporary, JSON.stringify(first) + '\n' + content.slice(cut), { mode: 0o600 })
    await rename(temporary, this.path)
  }

  /** Runs one action after another; after the first failure nothing is written any more. */
  private then(act: () => Promise<void>): Promise<void> {
    return (this.tail ?? Promise.resolve()).then(async () => {
      if (!this.usable) return
      try {
        await act()
      } catch (error) {
        this.usable = false
        process.stderr.write(`[kernel] history: ${(error as Error).message}; kept in memory only\n`)
      }
    })
  }
}

/** Skips lines that are not ours, and a line that was cut off. */
function parse(content: string): (Stored | Head)[] {
  return content.split('\n').flatMap((line): (Stored | Head)[] => {
    try {
      const stored = JSON.parse(line) as Partial<Stored & Head> | null
      if (typeof stored?.dropped === 'number') return [stored as Head]
      return typeof stored?.session === 'string' && typeof stored.line === 'number' ? [stored as Stored] : []
    } catch {
      return []
    }
  })
}
