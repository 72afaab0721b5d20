/** A signal that is aborted when the process is asked to stop, and the way to stop listening. */
export interface Interrupt {
  signal: AbortSignal
  /** The signal that asks the process to end; undefined as long as none came. */
  readonly endedBy: NodeJS.Signals | undefined
  release(): void
}

const ending = ['SIGTERM', 'SIGHUP'] as const

/**
 * Listens for SIGINT (Ctrl-C, a notebook's interrupt) while a run lasts. The first one aborts the signal, so that training stops
 * at a step boundary and the script or the next cell can save what was trained; a second one acts as it would without us.
 * With `untilEnd` so do SIGTERM and SIGHUP, unless somebody listens for them already (a script, a notebook kernel).
 */
export function listenForInterrupt(given: AbortSignal | undefined, untilEnd: boolean = false): Interrupt {
  const controller = new AbortController()
  let endedBy: NodeJS.Signals | undefined
  const names = ['SIGINT', ...ending.filter((name) => untilEnd && process.listenerCount(name) === 0)] as const
  const abort = (name: NodeJS.Signals = 'SIGINT'): void => {
    process.off(name, abort)
    if (name !== 'SIGINT') endedBy ??= name
    controller.abort(new DOMException('interrupted', 'AbortError'))
  }
  for (const name of names) process.on(name, abort)
  const signal = given ? AbortSignal.any([given, controller.signal]) : controller.signal
  return {
    signal,
    get endedBy() {
      return endedBy
    },
    release: () => {
      for (const name of names) process.off(name, abort)
    },
  }
}

/** Whether `error` says no more than that `signal` was aborted. Our kernel's interrupt throws a KeyboardInterrupt in cell code. */
export function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted !== true) return false
  if (error === signal.reason) return true
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'KeyboardInterrupt')
}

/** The result of `work`, or undefined when it ended because `signal` was aborted. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isAbort(error, signal)) return undefined
    throw error
  }
}
