import type { FileHandle } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { Decompress } from 'fzstd'

import { messageOf } from './atomic'

/** Any file may expand to this many bytes; beyond that, to {@link RATIO} times its size. */
const FREE = 2 ** 26
/** gzip's limit is 1,032 times; text rarely expands more than 20 times. */
const RATIO = 256

/** Bytes read at a time. */
const CHUNK = 2 ** 18

const signatures: readonly (readonly [name: string, bytes: string, advice: string])[] = [
  ['gzip', '1f8b08', ''],
  ['zstd', '28b52ffd', ''],
  ['a zip archive (or an Excel file)', '504b0304', 'unpack it, or save it as CSV'],
  ['bzip2', '425a68', 'decompress it first (bunzip2)'],
  ['xz', 'fd377a585a00', 'decompress it first (unxz)'],
  ['lz4', '04224d18', 'decompress it first (unlz4)'],
  ['Parquet', '50415231', "read it as 'parquet'"],
]

/**
 * The bytes of an open file in pieces. gzip and zstd are recognized by their first bytes and decompressed.
 *
 * @throws Error naming the file: another compressed format, damaged data, or data that expands too much.
 */
export async function* plainBytes(
  handle: FileHandle,
  path: string,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const head = Buffer.alloc(6)
  const { bytesRead } = await handle.read(head, 0, head.length, 0)
  const hex = head.subarray(0, bytesRead).toString('hex')
  const [name, , advice] = signatures.find(([, bytes]) => hex.startsWith(bytes)) ?? []
  if (advice) throw new Error(`${path}: is ${name}, not text; ${advice}`)
  const pieces = handle.createReadStream({
    start: 0,
    autoClose: false,
    highWaterMark: CHUNK,
    ...(signal ? { signal } : {}),
  })
  if (name === undefined) {
    yield* pieces as AsyncIterable<Uint8Array>
    return
  }
  let total = 0
  const bounded = (bytes: Uint8Array): void => {
    total += bytes.byteLength
    if (total > FREE && total > RATIO * size)
      throw new Error(
        `expands to more than ${RATIO} times its ${size} bytes; if that is right, decompress it first`,
      )
  }
  try {
    const plain: AsyncIterable<Uint8Array> = name === 'gzip' ? gunzip(pieces) : unzstd(pieces, bounded)
    for await (const bytes of plain) {
      if (name === 'gzip') bounded(bytes)
      yield bytes
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw new Error(`${path}: not readable as ${name}: ${messageOf(error)}`, { cause: error })
  } finally {
    pieces.destroy()
  }
}

async function* gunzip(pieces: NodeJS.ReadableStream): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 2 ** 18 })
  pieces.on('error', (error) => gunzip.destroy(error))
  yield* pieces.pipe(gunzip) as AsyncIterable<Uint8Array>
}

async function* unzstd(
  pieces: AsyncIterable<Uint8Array>,
  bounded: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  const out: Uint8Array[] = []
  const stream = new Decompress((bytes) => {
    bounded(bytes)
    if (bytes.byteLength > 0) out.push(bytes)
  })
  for await (const bytes of pieces) {
    // Small pieces: each is decompressed completely, and the result is in memory until it is consumed.
    for (let from = 0; from < bytes.byteLength; from += 2 ** 16) {
      stream.push(bytes.subarray(from, from + 2 ** 16))
      yield* out.splice(0)
    }
  }
  stream.push(new Uint8Array(), true)
  yield* out.splice(0)
}
