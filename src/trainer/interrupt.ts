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
    controller.abort()
  }
  process.on('SIGINT', abort)
  const signal = given ? AbortSignal.any([given, controller.signal]) : controller.signal
  return { signal, release: () => void process.off('SIGINT', abort) }
}
