import { GCProfiler } from 'node:v8'
import type { Inspector } from './inspector'

/** MB of JavaScript heap for the cells, if `--max-old-space-size` is not set. */
const usualHeap = 2048
/**
 * Factor of V8's own limit over the cells' limit. Within a tenth of its limit V8 runs one full collection after another, each a
 * second per GB, and up to a dozen before it aborts. The watch ends the cells before that.
 */
const margin = 1.25
/** Milliseconds between two checks of the heap of a running cell. */
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

/** The limit that V8 gets, in MB. */
export const hardLimit = (limit: number): number => Math.ceil(limit * margin)

/** For the cells' thread: bytes in use after its last full collection since the previous call; 0 if there was none. */
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

/** Checks the heap of the cells' thread from outside: calls `onFull` when more than `limit` MB are in use after a full collection. */
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
