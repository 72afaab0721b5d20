import type { Interrupts, Run } from './interrupt'

type Callback = (...args: unknown[]) => void
type Start = (callback: Callback, ...rest: unknown[]) => unknown

/**
 * Makes the output of a timer's callback belong to the cell that set the timer. AsyncLocalStorage cannot be
 * used: on Node 20 its promise hooks leave the async stack inconsistent when a cell is terminated, and the
 * process aborts.
 */
export function ownTimers(interrupts: Interrupts): void {
  for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) {
    const start = globalThis[name] as unknown as Start
    const owned: Start = (callback, ...rest) => {
      const run = interrupts.current
      if (!run || typeof callback !== 'function') return start(callback, ...rest)
      return start((...args) => within(interrupts, run, () => callback(...args)), ...rest)
    }
    const properties = Object.getOwnPropertyDescriptors(start)
    globalThis[name] = Object.defineProperties(owned, properties) as never
  }
}

/**
 * Runs the callback as `run`. Promises that the callback settles continue in microtasks, so `run` stays the
 * current one for this many of them.
 */
export function within(interrupts: Interrupts, run: Run, callback: () => void, microtasks = 8): void {
  if (run.abandoned) return
  const before = interrupts.current
  if (run === before && run === interrupts.foreground) return callback()
  interrupts.current = run
  const back = (left: number): void => {
    if (left > 0) queueMicrotask(() => back(left - 1))
    else if (interrupts.current === run) interrupts.current = interrupts.foreground
  }
  try {
    callback()
  } finally {
    back(microtasks)
  }
}
