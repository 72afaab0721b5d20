/** Number of characters after which the text is sent at once. */
const largest = 65_536
/** Milliseconds between messages while a cell writes continuously. */
const interval = 10

/** Joins a run's successive writes into one message; call `flush` before sending anything else. */
export class Streams {
  private pending: { run: number; name: 'stdout' | 'stderr'; text: string } | undefined
  private scheduled = false
  /** In `performance.now` time. */
  private lastFlush = -Infinity

  constructor(private readonly send: (run: number, name: 'stdout' | 'stderr', text: string) => void) {}

  write(run: number, name: 'stdout' | 'stderr', text: string): void {
    if (text === '') return
    if (this.pending && (this.pending.run !== run || this.pending.name !== name)) this.flush()
    if (this.pending) this.pending.text += text
    else this.pending = { run, name, text }
    if (this.pending.text.length > largest) return this.flush()
    if (this.scheduled) return
    this.scheduled = true
    const flush = (): void => {
      this.scheduled = false
      this.flush()
    }
    if (performance.now() - this.lastFlush < interval) setTimeout(flush, interval)
    else setImmediate(flush)
  }

  flush(): void {
    const { pending } = this
    if (!pending) return
    this.pending = undefined
    this.lastFlush = performance.now()
    this.send(pending.run, pending.name, pending.text)
  }
}
