import type { Bundle } from './messages'
import { plain, render } from './render'

export interface WatchesOptions {
  /** Shows a display; with `update`, replaces it. */
  show: (data: Bundle, id: string, update: boolean) => void
  /** Asks the kernel to call `look` every `every` seconds from now on; undefined ends that. */
  poll: (watch: number, every: number | undefined) => void
}

const shortest = 0.1

/** The result of `kernel.watch`. */
class Watch {
  readonly #end: () => void

  constructor(end: () => void) {
    this.#end = end
  }

  stop(): void {
    this.#end()
  }
}

/**
 * `kernel.watch`: a display that follows a value. The kernel's main thread keeps the time and calls through the
 * inspector, so the display is updated even while a cell never becomes idle.
 */
export class Watches {
  private readonly looks = new Map<number, () => void>()
  private last = 0

  constructor(private readonly options: WatchesOptions) {}

  /** @param every - seconds. `read` is called at once and then until `stop()`, or until it throws. */
  readonly watch = (read: () => unknown, { every = 1 }: { every?: number } = {}): Watch => {
    if (typeof read !== 'function') throw new TypeError('watch: expected a function that reads the value')
    if (!(every >= shortest)) throw new RangeError(`watch: every ${every}, expected at least ${shortest} s`)
    const { show, poll } = this.options
    const watch = ++this.last
    const id = `watch-${process.pid}-${watch}`
    let shown: string | undefined
    const stop = (): void => {
      if (this.looks.delete(watch)) poll(watch, undefined)
    }
    this.looks.set(watch, () => {
      let data: Bundle
      try {
        data = render(read())
      } catch (error) {
        stop()
        data = { 'text/plain': `watch ended: ${plain(error)}` }
      }
      const text = JSON.stringify(data)
      if (text === shown) return
      show(data, id, shown !== undefined)
      shown = text
    })
    this.look(watch)
    if (this.looks.has(watch)) poll(watch, every)
    return new Watch(stop)
  }

  look(watch: number): void {
    this.looks.get(watch)?.()
  }
}
