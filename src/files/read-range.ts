import type { FileHandle } from 'node:fs/promises'
import { messageOf } from './atomic'

/** Largest single read: below the system's 2 GiB limit, and short enough for an abort to take effect soon. */
const PIECE = 2 ** 26

/**
 * Reads `nbytes` bytes at the absolute position `offset` into a new array. Its buffer starts at 0, so typed
 * arrays of any element size can use it.
 *
 * @throws Error naming file, offset and the expected bytes when the file ends before; the signal's reason on
 * abort.
 */
export async function readRange(
  handle: FileHandle,
  file: string,
  offset: number,
  nbytes: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  signal?.throwIfAborted()
  const bytes = allocate(file, offset, nbytes)
  let done = 0
  while (done < nbytes) {
    signal?.throwIfAborted()
    const { bytesRead } = await handle
      .read(bytes, done, Math.min(PIECE, nbytes - done), offset + done)
      .catch((error: unknown) => {
        throw new Error(`${file}: could not be read at offset ${offset + done}: ${messageOf(error)}`, {
          cause: error,
        })
      })
    if (bytesRead === 0) {
      throw new Error(
        `${file}: truncated: expected ${nbytes} bytes at offset ${offset}, the file gave ${done}`,
      )
    }
    done += bytesRead
  }
  return bytes
}

function allocate(file: string, offset: number, nbytes: number): Uint8Array {
  try {
    return new Uint8Array(nbytes)
  } catch (error) {
    throw new Error(
      `${file}: ${nbytes} bytes at offset ${offset} are more than one array can hold; read it in parts`,
      {
        cause: error,
      },
    )
  }
}
