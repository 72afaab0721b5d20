/** A signal that is aborted when the process is asked to stop, and the function to stop listening. */
export interface Interrupt {
  signal: AbortSignal
  /** The signal that asked the process to end; undefined if none did. */
  readonly endedBy: NodeJS.Signals | undefined
  release(): void
}

const ending = ['SIGTERM', 'SIGHUP'] as const

/**
 * Listens for SIGINT (Ctrl-C, a notebook's interrupt) during a run. The first one aborts the signal, so that
 * training stops after the current step and the script or the next cell can save the result; a second one has
 * its usual effect. With `untilEnd`, SIGTERM and SIGHUP are handled too, unless something else (a script, a
 * notebook kernel) already listens for them.
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

/**
 * Whether `error` only reports that `signal` was aborted. Our kernel's interrupt throws a KeyboardInterrupt in
 * cell code.
 */
export function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted !== true) return false
  if (error === signal.reason) return true
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'KeyboardInterrupt')
}

/** The result of `work`, or undefined if it ended because `signal` was aborted. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isAbort(error, signal)) return undefined
    throw error
  }
}
