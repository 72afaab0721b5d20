import { appendFile } from 'node:fs/promises'
import { writeFileAtomic } from '../../files/atomic'

const firstColumns = ['step', 'epoch', 'loss', 'grad_norm', 'learning_rate', 'tokens_per_second']

export type LogRow = Readonly<Record<string, number | string | undefined>>

/**
 * The log rows as CSV (`log.csv`): step, epoch, loss, grad_norm, learning_rate, tokens_per_second, then other
 * keys in order of their first appearance. A row appends one line. A new key rewrites the file with one more
 * column (to a temporary name, then renamed), so that the figures of evaluations are not lost.
 */
export class CsvLog {
  private readonly columns: string[] = [...firstColumns]
  private readonly rows: LogRow[] = []
  private writing: Promise<void> = Promise.resolve()

  private constructor(readonly file: string) {}

  /** Creates the file, replacing an earlier one. */
  static async open(file: string): Promise<CsvLog> {
    const log = new CsvLog(file)
    await log.rewrite()
    return log
  }

  /** Adds a row; resolves when it is on disk. Rows are written in the order of the calls. */
  write(row: LogRow): Promise<void> {
    const known = this.columns.length
    for (const key of Object.keys(row)) if (!this.columns.includes(key)) this.columns.push(key)
    this.rows.push(row)
    const count = this.rows.length
    const line = this.line(row)
    const grew = this.columns.length > known
    const done = this.writing.then(() => (grew ? this.rewrite(count) : appendFile(this.file, line)))
    this.writing = done.catch(() => undefined)
    return done
  }

  private rewrite(count: number = this.rows.length): Promise<void> {
    const lines = [
      this.columns.map(field).join(',') + '\n',
      ...this.rows.slice(0, count).map((row) => this.line(row)),
    ]
    return writeFileAtomic(this.file, lines.join(''))
  }

  private line(row: LogRow): string {
    return this.columns.map((key) => field(row[key] ?? '')).join(',') + '\n'
  }
}

function field(value: number | string): string {
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
