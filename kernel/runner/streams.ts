/** Characters after which the text is sent without waiting for more. */
const largest = 65_536
/** Milliseconds: while a cell writes without end, a message in so many. */
const interval = 10

/** Joins a run's consecutive writes into one message; `flush` must come before anything else is sent. */
export class Streams {
  private pending: { run: number; name: 'stdout' | 'stderr'; text: string } | undefined
  private scheduled = false
  /** Of `performance.now`. */
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
