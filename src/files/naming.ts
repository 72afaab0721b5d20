import { HubError } from './hub-error'

/**
 * Runs `work` on what was read from `path`: an error that does not name the file yet gets its path in front, and keeps its
 * kind (TypeError, RangeError). The hub's errors and an abort's reason pass as they are.
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
