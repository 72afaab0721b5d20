import { HubError } from './hub-error'

/**
 * Runs `work` on data read from `path`. An error that does not name the file gets its path at the beginning and
 * keeps its class (TypeError, RangeError). Errors of the hub and abort reasons are not changed.
 */
export async function namingFile<T>(
  path: string,
  work: () => T | Promise<T>,
  signal?: AbortSignal | undefined,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (signal?.aborted || !(error instanceof Error) || error instanceof HubError) throw error
    if (error.message.includes(path)) throw error
    const message = `${path}: ${error.message}`
    if (error instanceof TypeError) throw new TypeError(message, { cause: error })
    if (error instanceof RangeError) throw new RangeError(message, { cause: error })
    throw new Error(message, { cause: error })
  }
}
