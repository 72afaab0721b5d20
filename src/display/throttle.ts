/**
 * Runs `work` at most once every `interval` ms: the first call at once, later calls when the interval is over,
 * with the newest state only. `flush` runs a waiting call now. The timer does not keep the process alive.
 */
export class Throttle {
  private last = -Infinity
  private timer: NodeJS.Timeout | undefined

  /** With `leading: false`, the first run also waits for the interval. */
  constructor(
    private readonly interval: number,
    private readonly work: () => void,
    options: { leading?: boolean } = {},
  ) {
    if (options.leading === false) this.last = Date.now()
  }

  request(): void {
    if (this.timer) return
    const wait = this.last + this.interval - Date.now()
    if (wait <= 0) this.flush()
    else this.timer = setTimeout(() => this.flush(), wait).unref()
  }

  /** Runs now, and cancels a waiting run. */
  flush(): void {
    this.cancel()
    this.last = Date.now()
    this.work()
  }

  cancel(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }
}
