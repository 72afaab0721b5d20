/** Measures the time between `resume` and `pause`. */
export class Stopwatch {
  private since: number | undefined

  constructor(private before: number = 0) {}

  get seconds(): number {
    return this.before + (this.since === undefined ? 0 : (performance.now() - this.since) / 1000)
  }

  resume(): void {
    this.since ??= performance.now()
  }

  pause(): void {
    this.before = this.seconds
    this.since = undefined
  }

  /** Sets the time to 0; a running stopwatch keeps running. */
  restart(): void {
    this.before = 0
    if (this.since !== undefined) this.since = performance.now()
  }
}
