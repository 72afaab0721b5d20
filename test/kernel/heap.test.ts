import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createCollected, hardLimit, heapLimitFor, HeapWatch } from '../../kernel/runner/heap'
import type { Inspector } from '../../kernel/runner/inspector'

const MB = 2 ** 20

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

it("the cells' heap has 2 GB unless Node gives less or somebody asks for another size", () => {
  expect(heapLimitFor(4144, '--enable-source-maps')).toBe(2048)
  expect(heapLimitFor(1024, '')).toBe(1024)
  expect(heapLimitFor(8288, '--max-old-space-size=8288')).toBe(8288)
  expect(heapLimitFor(64, '--max_old_space_size=64')).toBe(64)
  // V8's own limit leaves room in which it does not yet collect again and again.
  expect(hardLimit(2048)).toBe(2560)
})

/** An inspector of a thread that uses and keeps so many bytes, and what it was asked. */
function watched(heap: { used: number; kept: number }) {
  const asked: string[] = []
  const inspector: Inspector = {
    post: <T>(method: string) => {
      asked.push(method)
      return Promise.resolve(
        (method === 'Runtime.getHeapUsage' ? { usedSize: heap.used } : { result: { value: heap.kept } }) as T,
      )
    },
    on: () => {},
  }
  const onFull = vi.fn()
  return { watch: new HeapWatch(inspector, 100, onFull), asked, onFull }
}

it('is full when a full collection leaves more than the limit, not when garbage lies about', async () => {
  const heap = { used: 90 * MB, kept: 0 }
  const { watch, asked, onFull } = watched(heap)
  watch.start()
  await vi.advanceTimersByTimeAsync(1000)
  expect(new Set(asked)).toEqual(new Set(['Runtime.getHeapUsage']))
  // Much in use, and no full collection yet; then one that frees most of it.
  heap.used = 120 * MB
  await vi.advanceTimersByTimeAsync(1000)
  heap.kept = 60 * MB
  await vi.advanceTimersByTimeAsync(1000)
  expect(asked).toContain('Runtime.evaluate')
  expect(onFull).not.toHaveBeenCalled()
  heap.kept = 101 * MB
  await vi.advanceTimersByTimeAsync(1000)
  expect(onFull).toHaveBeenCalledTimes(1)
})

it('asks nothing while no cell runs', async () => {
  const { watch, asked } = watched({ used: 200 * MB, kept: 200 * MB })
  watch.start()
  watch.stop()
  await vi.advanceTimersByTimeAsync(1000)
  expect(asked).toEqual([])
})

it('what a full collection left is told once', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const collected = createCollected()
  const kept = new Array<number>(1e6).fill(0.5)
  expect(collected()).toBe(0)
  collect()
  expect(collected()).toBeGreaterThan(8e6)
  expect(collected()).toBe(0)
  expect(kept).toHaveLength(1e6)
})
