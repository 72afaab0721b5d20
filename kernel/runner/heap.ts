import { GCProfiler } from 'node:v8'
import type { Inspector } from './inspector'

/** MB of JavaScript heap for the cells where nobody sets `--max-old-space-size`. */
const usualHeap = 2048
/**
 * What V8 may use of the heap beyond the cells' limit. Within a tenth of its own limit V8 stops the thread for one full collection
 * after another, a second each for a GB, and tries a dozen of them before it gives up. The watch ends the cells below that.
 */
const margin = 1.25
/** Milliseconds between two looks at the heap of a running cell. */
const lookEvery = 250

/**
 * The limit of the cells' heap in MB. `nodes`: Node's limit for this process; `options`: the options it was
 * started with.
 */
export function heapLimitFor(nodes: number, options: string): number {
  return options.includes('--max-old-space-size') || options.includes('--max_old_space_size')
    ? nodes
    : Math.min(nodes, usualHeap)
}

/** What V8 is told, in MB. */
export const hardLimit = (limit: number): number => Math.ceil(limit * margin)

/** For the cells' thread: what its last full collection since the call before left in use, in bytes; 0 if there was none. */
export function createCollected(): () => number {
  let profiler: GCProfiler | undefined
  return () => {
    const statistics = profiler?.stop()?.statistics ?? []
    profiler = new GCProfiler()
    profiler.start()
    const full = statistics.filter(({ gcType }) => gcType === 'MarkSweepCompact')
    return full.at(-1)?.afterGC.heapStatistics.usedHeapSize ?? 0
  }
}

/** Looks at the heap of the cells' thread, from outside: says `onFull` once a full collection left more than `limit` MB in use. */
export class HeapWatch {
  private timer: NodeJS.Timeout | undefined
  private looking = false

  constructor(
    private readonly inspector: Inspector,
    private readonly limit: number,
    private readonly onFull: () => void,
  ) {}

  start(): void {
    this.timer ??= setInterval(() => {
      if (this.looking) return
      this.looking = true
      const rest = (): void => void (this.looking = false)
      this.look().then(rest, rest)
    }, lookEvery)
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
  }

  private async look(): Promise<void> {
    const bytes = this.limit * 2 ** 20
    const { usedSize } = await this.inspector.post<{ usedSize: number }>('Runtime.getHeapUsage')
    if (usedSize <= bytes) return
    const { result } = await this.inspector.post<{ result: { value?: number } }>('Runtime.evaluate', {
      expression: 'globalThis.__tslab__.collected()\n//# sourceURL=node:kernel',
      returnByValue: true,
    })
    if ((result.value ?? 0) <= bytes) return
    this.stop()
    this.onFull()
  }
}
