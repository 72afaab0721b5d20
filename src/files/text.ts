import { isAscii, isUtf8 } from 'node:buffer'

import { codeOf } from './atomic'
import { plainBytes } from './decompress'
import { disk } from './disk'

/** Longest text in one string, in UTF-16 units: half of V8's limit. */
export const LONGEST_TEXT: number = 2 ** 28

type Encoding = 'utf8' | 'utf16le' | 'utf16be'

/**
 * The text of a file in pieces, so it may be larger than memory. UTF-8 with or without byte order mark, and
 * UTF-16 with one; gzip and zstd are decompressed. No piece ends inside a character.
 *
 * @throws Error naming the file: missing, not a regular file, another compressed format; for other encodings
 * also the line and the offset of the first invalid byte.
 */
export async function* textPieces(path: string, signal?: AbortSignal): AsyncGenerator<string> {
  let encoding: Encoding | undefined
  let held: Uint8Array = new Uint8Array()
  let offset = 0
  for await (const bytes of fileBytes(path, signal)) {
    let rest = held.byteLength > 0 ? Buffer.concat([held, bytes]) : asBuffer(bytes)
    if (encoding === undefined) {
      if (rest.byteLength < 4) {
        held = rest
        continue
      }
      const found = encodingOf(path, rest)
      encoding = found.encoding
      rest = rest.subarray(found.mark)
      offset = found.mark
    }
    const whole = wholeLength(rest, encoding)
    const text = decode(rest.subarray(0, whole), encoding)
    if (text === undefined) throw await notText(path, rest, offset, encoding, signal)
    // A copy, so that the stream's buffer can be freed.
    held = Uint8Array.from(rest.subarray(whole))
    offset += whole
    if (text !== '') yield text
  }
  const end = asBuffer(held)
  const { mark, encoding: other } =
    encoding === undefined ? encodingOf(path, end) : { mark: 0, encoding: undefined }
  encoding ??= other ?? 'utf8'
  const text = decode(end.subarray(mark), encoding)
  if (text === undefined) throw await notText(path, end.subarray(mark), offset + mark, encoding, signal)
  if (text !== '') yield text
}

/**
 * The whole text of a file; see {@link textPieces}.
 *
 * @throws also when it is longer than a string can be.
 */
export async function readTextFile(path: string, signal?: AbortSignal): Promise<string> {
  const pieces: string[] = []
  let length = 0
  for await (const piece of textPieces(path, signal)) {
    pieces.push(piece)
    length += piece.length
    if (length > LONGEST_TEXT)
      throw new Error(`${path}: more than ${LONGEST_TEXT} characters, too long to be read as a whole`)
  }
  return pieces.join('')
}

async function* fileBytes(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted()
  const size = await regularFile(path)
  const handle = await disk.open(path, 'r').catch((error: unknown) => {
    throw unreadable(path, error)
  })
  try {
    yield* plainBytes(handle, path, size, signal)
  } catch (error) {
    throw codeOf(error) === undefined ? error : unreadable(path, error)
  } finally {
    await handle.close()
  }
}

/**
 * Size of a file in bytes. @throws Error naming it when it is missing, a folder, a device, or a pipe, which may
 * never end.
 */
export async function regularFile(path: string): Promise<number> {
  const found = await disk.stat(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  if (!found.isFile())
    throw new Error(`${path}: is ${found.isDirectory() ? 'a folder' : 'no regular file'}; expected a file`)
  return found.size
}

/** An error of the file system with the path at the beginning, and common reasons in words. */
export function unreadable(path: string, error: unknown): Error {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'no such file',
    EACCES: 'permission denied',
    EISDIR: 'is a folder; expected a file',
    ELOOP: 'links that lead in a circle',
  }
  const reason = reasons[codeOf(error) ?? ''] ?? String((error as Error).message)
  return new Error(`${path}: ${reason}`, { cause: error })
}

function encodingOf(path: string, head: Uint8Array): { encoding: Encoding; mark: number } {
  const [a, b, c, d] = head
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: 'utf8', mark: 3 }
  const utf32 = (a === 0xff && b === 0xfe && c === 0 && d === 0) || (a === 0 && b === 0 && c === 0xfe)
  if (utf32) throw new Error(`${path}:1: UTF-32 at byte 0; save the file as UTF-8`)
  if (a === 0xff && b === 0xfe) return { encoding: 'utf16le', mark: 2 }
  if (a === 0xfe && b === 0xff) return { encoding: 'utf16be', mark: 2 }
  const zeros = [a, b, c, d].map((byte) => byte === 0).join()
  if (zeros === 'false,true,false,true' || zeros === 'true,false,true,false')
    throw new Error(`${path}:1: UTF-16 without a byte order mark at byte 0; save the file as UTF-8`)
  return { encoding: 'utf8', mark: 0 }
}

/** Number of bytes up to the end of the last complete character. */
function wholeLength(bytes: Uint8Array, encoding: Encoding): number {
  const { length } = bytes
  if (encoding !== 'utf8') {
    const even = length - (length % 2)
    const high = bytes[encoding === 'utf16le' ? even - 1 : even - 2] ?? 0
    return high >= 0xd8 && high <= 0xdb ? even - 2 : even
  }
  for (let back = 1; back <= Math.min(3, length); back++) {
    const byte = bytes[length - back]!
    if (byte < 0x80) break
    if (byte >= 0xc0) {
      const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      return back < needs ? length - back : length
    }
  }
  return length
}

/** Undefined if the bytes are not valid in that encoding. */
function decode(bytes: Buffer, encoding: Encoding): string | undefined {
  if (encoding === 'utf8') {
    // Gives the same text several times faster.
    if (isAscii(bytes)) return bytes.toString('latin1')
    return isUtf8(bytes) ? bytes.toString('utf8') : undefined
  }
  if (bytes.length % 2 === 1) return undefined
  const little = encoding === 'utf16le' ? bytes : Buffer.from(bytes).swap16()
  const text = little.toString('utf16le')
  return LONE_SURROGATE.test(text) ? undefined : text
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/** Error with line and offset of the first invalid byte; `bytes` begin at `offset` of the (decompressed) text. */
async function notText(
  path: string,
  bytes: Buffer,
  offset: number,
  encoding: Encoding,
  signal: AbortSignal | undefined,
): Promise<Error> {
  // Binary search for the longest valid prefix; a cut inside a character is no error.
  let [right, wrong] = [0, bytes.length]
  while (wrong - right > 1) {
    const middle = (right + wrong) >> 1
    const head = bytes.subarray(0, middle)
    if (decode(head.subarray(0, wholeLength(head, encoding)), encoding) === undefined) wrong = middle
    else right = middle
  }
  const head = bytes.subarray(0, right)
  const at = offset + wholeLength(head, encoding)
  const line = await lineAt(path, at, signal)
  const name = encoding === 'utf8' ? 'UTF-8' : 'UTF-16'
  const found = bytes[at - offset]!.toString(16).padStart(2, '0')
  return new Error(
    `${path}:${line}: not ${name} at byte ${at} (0x${found}); save the file as UTF-8 (iconv -f <encoding> -t utf-8)`,
  )
}

async function lineAt(path: string, offset: number, signal: AbortSignal | undefined): Promise<number> {
  let line = 1
  let at = 0
  for await (const bytes of fileBytes(path, signal)) {
    for (const byte of bytes.subarray(0, offset - at)) if (byte === 0x0a) line++
    at += bytes.byteLength
    if (at >= offset) break
  }
  return line
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
