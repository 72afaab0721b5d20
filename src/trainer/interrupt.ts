/** A signal that is aborted by Ctrl-C or a notebook's interrupt, and the way to stop listening. */
export interface Interrupt {
  signal: AbortSignal
  release(): void
}

/**
 * Listens for SIGINT while a run lasts. The first one aborts the signal, so that training stops at a step boundary and the script
 * or the next cell can save what was trained; a second one acts as it would without us.
 */
export function listenForInterrupt(given: AbortSignal | undefined): Interrupt {
  const controller = new AbortController()
  const abort = (): void => {
    process.off('SIGINT', abort)
    controller.abort(new DOMException('interrupted', 'AbortError'))
  }
  process.on('SIGINT', abort)
  const signal = given ? AbortSignal.any([given, controller.signal]) : controller.signal
  return { signal, release: () => void process.off('SIGINT', abort) }
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
