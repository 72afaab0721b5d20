/** Ends a text before the first of some strings, and holds back text that may become one of them. */
export class StopText {
  private held = ''
  isStopped = false

  constructor(private readonly stops: readonly string[]) {}

  /** Returns the text that is final. */
  push(text: string): string {
    if (this.isStopped) return ''
    this.held += text
    const at = Math.min(...this.stops.map((stop) => this.held.indexOf(stop)).filter((i) => i >= 0))
    if (Number.isFinite(at)) {
      this.isStopped = true
      return this.take(at)
    }
    return this.take(this.held.length - this.mayBecome())
  }

  end(): string {
    return this.isStopped ? '' : this.take(this.held.length)
  }

  private take(count: number): string {
    const text = this.held.slice(0, count)
    this.held = this.held.slice(count)
    return text
  }

  /** Length of the longest end of the text that is the beginning of one of the strings. */
  private mayBecome(): number {
    const longest = Math.max(0, ...this.stops.map((stop) => stop.length - 1))
    for (let n = Math.min(longest, this.held.length); n > 0; n--)
      if (this.stops.some((stop) => stop.startsWith(this.held.slice(-n)))) return n
    return 0
  }
}
