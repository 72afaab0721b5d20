/** Bytes in use over a sequence of operations. Events may be recorded in any order. */
export class Ledger {
  /** By operation: bytes taken when it begins, bytes given back after it has run. */
  private taken: number[] = []
  private returned: number[] = []
  /** Bytes in use before the first operation of these lists. */
  private base = 0
  private first = 0

  take(bytes: number, operation: number): void {
    this.at(this.taken, operation, bytes)
  }

  /** Memory that was given back before the sequence began does not count. */
  giveBack(bytes: number, operation: number): void {
    if (operation < this.first) this.base -= bytes
    else this.at(this.returned, operation, bytes)
  }

  get current(): number {
    return this.sum(this.taken) - this.sum(this.returned) + this.base
  }

  /** The most bytes in use at one time since `restart`. */
  get peak(): number {
    let [now, peak] = [this.base, this.base]
    for (let i = 0; i < Math.max(this.taken.length, this.returned.length); i++) {
      now += this.taken[i] ?? 0
      if (now > peak) peak = now
      now -= this.returned[i] ?? 0
    }
    return peak
  }

  /** Forgets the history; `operation` is the number of the next operation. */
  restart(operation: number): void {
    this.base = this.current
    this.taken = []
    this.returned = []
    this.first = operation
  }

  private at(list: number[], operation: number, bytes: number): void {
    const i = operation - this.first
    while (list.length <= i) list.push(0)
    list[i]! += bytes
  }

  private sum(list: readonly number[]): number {
    return list.reduce((a, b) => a + b, 0)
  }
}
