/** Characters after which the text is sent without waiting for more. */
const largest = 65_536

/** Joins a run's consecutive writes into one message; `flush` must come before anything else is sent. */
export class Streams {
  private pending: { run: number; name: 'stdout' | 'stderr'; text: string } | undefined
  private scheduled = false

  constructor(private readonly send: (run: number, name: 'stdout' | 'stderr', text: string) => void) {}

  write(run: number, name: 'stdout' | 'stderr', text: string): void {
    if (text === '') return
    if (this.pending && (this.pending.run !== run || this.pending.name !== name)) this.flush()
    if (this.pending) this.pending.text += text
    else this.pending = { run, name, text }
    if (this.pending.text.length > largest) return this.flush()
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      this.flush()
    })
  }

  flush(): void {
    const { pending } = this
    this.pending = undefined
    if (pending) this.send(pending.run, pending.name, pending.text)
  }
}
