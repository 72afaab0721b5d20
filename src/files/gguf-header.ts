import type { GgufCursor } from './gguf-cursor'
import { ggufType } from './gguf-types'

/** A metadata value; 64-bit integers are numbers if exact, else bigint. */
export type GgufValue = number | bigint | boolean | string | GgufValue[]

/** One tensor of a GGUF file: `nbytes` bytes of blocks at the absolute position `offset`. */
export interface GgufTensorInfo {
  name: string
  /** Row-major, as in Hugging Face and torch: [rows, columns]. The file stores it in reverse order. */
  shape: number[]
  /** ggml's type name: `Q4_1`, `F16`, ... */
  type: string
  offset: number
  nbytes: number
}

export interface GgufHeader {
  metadata: Record<string, GgufValue>
  tensors: GgufTensorInfo[]
}

const STRING = 8
const ARRAY = 9
/** Metadata types of fixed size by id: bytes and reader. */
const SCALARS: Readonly<Record<number, [bytes: number, get: (view: DataView, at: number) => GgufValue]>> = {
  0: [1, (view, at) => view.getUint8(at)],
  1: [1, (view, at) => view.getInt8(at)],
  2: [2, (view, at) => view.getUint16(at, true)],
  3: [2, (view, at) => view.getInt16(at, true)],
  4: [4, (view, at) => view.getUint32(at, true)],
  5: [4, (view, at) => view.getInt32(at, true)],
  6: [4, (view, at) => view.getFloat32(at, true)],
  7: [1, (view, at) => view.getUint8(at) !== 0],
  10: [8, (view, at) => exact(view.getBigUint64(at, true))],
  11: [8, (view, at) => exact(view.getBigInt64(at, true))],
  12: [8, (view, at) => view.getFloat64(at, true)],
}

/**
 * Reads the header of a GGUF file (version 2 or 3, little-endian) and checks it against the file's size.
 *
 * @throws Error naming file, offset and what was expected: not GGUF, truncated, impossible counts or ranges.
 */
export async function readGgufHeader(cursor: GgufCursor): Promise<GgufHeader> {
  if (cursor.size < 24) throw cursor.fault(`file of ${cursor.size} bytes; expected at least 24`)
  await cursor.load(24)
  const magic = cursor.text(4)
  if (magic !== 'GGUF') throw cursor.fault(`begins with ${JSON.stringify(magic)}; expected "GGUF"`)
  const version = cursor.take(4, (view, at) => view.getUint32(at, true))
  if (version !== 2 && version !== 3) {
    const big = version > 0xffff && version % 2 ** 24 === 0
    throw cursor.fault(
      big ? 'big-endian file; expected little-endian' : `version ${version}; expected 2 or 3`,
    )
  }
  const tensorCount = await count(cursor, 'tensors', 24)
  const metadata: Record<string, GgufValue> = {}
  const keys = await count(cursor, 'metadata entries', 13)
  for (let i = 0; i < keys; i++) {
    const key = await text(cursor)
    metadata[key] = await value(cursor, await uint32(cursor), 0)
  }
  const declared: Declared[] = []
  for (let i = 0; i < tensorCount; i++) declared.push(await tensorInfo(cursor))
  return { metadata, tensors: place(cursor, metadata, declared) }
}

async function uint32(cursor: GgufCursor): Promise<number> {
  if (!cursor.has(4)) await cursor.load(4)
  return cursor.take(4, (view, at) => view.getUint32(at, true))
}

async function uint64(cursor: GgufCursor): Promise<number> {
  if (!cursor.has(8)) await cursor.load(8)
  return cursor.take(8, (view, at) => Number(view.getBigUint64(at, true)))
}

/**
 * A count of items of at least `minimum` bytes each. A larger count than the rest of the file can hold is an
 * error.
 */
async function count(cursor: GgufCursor, what: string, minimum: number): Promise<number> {
  const n = await uint64(cursor)
  const left = cursor.size - cursor.position
  if (n * minimum > left)
    throw cursor.fault(`truncated or lying: declares ${n} ${what}, ${left} bytes follow`)
  return n
}

async function text(cursor: GgufCursor): Promise<string> {
  const length = await uint64(cursor)
  if (!cursor.has(length)) await cursor.load(length)
  return cursor.text(length)
}

async function value(cursor: GgufCursor, type: number, depth: number): Promise<GgufValue> {
  if (type === STRING) return text(cursor)
  if (type === ARRAY && depth < 4) return array(cursor, depth)
  const scalar = SCALARS[type]
  if (!scalar)
    throw cursor.fault(`metadata type ${type}${depth >= 4 ? ' nested too deep' : ''}; expected 0 to 12`)
  if (!cursor.has(scalar[0])) await cursor.load(scalar[0])
  return cursor.take(...scalar)
}

async function array(cursor: GgufCursor, depth: number): Promise<GgufValue[]> {
  const type = await uint32(cursor)
  const scalar = SCALARS[type]
  const length = await count(cursor, 'array elements', scalar?.[0] ?? 8)
  const values: GgufValue[] = []
  for (let i = 0; i < length; i++) {
    if (scalar && cursor.has(scalar[0])) values.push(cursor.take(...scalar))
    else values.push(await value(cursor, type, depth + 1))
  }
  return values
}

/** A tensor's declaration: `start` counts from the data section, which begins after all declarations. */
interface Declared {
  name: string
  dims: number[]
  type: number
  start: number
}

async function tensorInfo(cursor: GgufCursor): Promise<Declared> {
  const name = await text(cursor)
  const rank = await uint32(cursor)
  if (rank > 4) throw cursor.fault(`tensor '${name}' has ${rank} dimensions; expected at most 4`)
  const dims: number[] = []
  for (let i = 0; i < rank; i++) dims.push(await uint64(cursor))
  return { name, dims, type: await uint32(cursor), start: await uint64(cursor) }
}

function place(
  cursor: GgufCursor,
  metadata: Record<string, GgufValue>,
  declared: Declared[],
): GgufTensorInfo[] {
  const alignment = metadata['general.alignment'] ?? 32
  if (typeof alignment !== 'number' || !(alignment > 0) || alignment % 8 !== 0) {
    throw cursor.fault(`general.alignment is ${String(alignment)}; expected a multiple of 8`)
  }
  const data = Math.ceil(cursor.position / alignment) * alignment
  const tensors = declared.map(({ name, dims, type: id, start }): GgufTensorInfo => {
    const type = ggufType(id)
    if (!type) throw cursor.fault(`tensor '${name}' has type ${id}, which is none of GGUF's`)
    const elements = dims.reduce((product, size) => product * size, 1)
    if (!Number.isSafeInteger(elements) || (dims[0] ?? 1) % type.elements !== 0) {
      throw cursor.fault(`tensor '${name}' of shape [${dims.join(', ')}] cannot be ${type.name}`)
    }
    const nbytes = (elements / type.elements) * type.bytes
    const offset = data + start
    if (start % alignment !== 0 || !(offset + nbytes <= cursor.size)) {
      throw cursor.fault(
        `tensor '${name}' takes ${nbytes} bytes from offset ${offset}: expected within the file's ` +
          `${cursor.size} bytes, aligned to ${alignment}; the file is truncated or lies`,
      )
    }
    return { name, shape: dims.reverse(), type: type.name, offset, nbytes }
  })
  checkOverlap(cursor, tensors)
  return tensors
}

function checkOverlap(cursor: GgufCursor, tensors: GgufTensorInfo[]): void {
  const sorted = [...tensors].sort((a, b) => a.offset - b.offset || a.nbytes - b.nbytes)
  for (const [i, { name, offset }] of sorted.entries()) {
    const before = sorted[i - 1]
    if (before && before.offset + before.nbytes > offset) {
      throw cursor.fault(`tensors '${before.name}' and '${name}' overlap at offset ${offset}`)
    }
  }
  if (new Set(tensors.map((tensor) => tensor.name)).size < tensors.length) {
    throw cursor.fault('two tensors have the same name')
  }
}

function exact(integer: bigint): number | bigint {
  const number = Number(integer)
  return Number.isSafeInteger(number) ? number : integer
}
