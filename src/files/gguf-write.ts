import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ensureFreeSpace, replaceFile, writeAll } from './atomic'
import { disk } from './disk'
import { ggufTypeNamed } from './gguf-types'

/** A metadata value with its type in the file; readers of GGUF require particular types. */
export type GgufEntry =
  | readonly ['string', string]
  | readonly ['bool', boolean]
  | readonly ['uint32' | 'int32' | 'float32', number]
  | readonly ['string[]', readonly string[]]
  | readonly ['int32[]' | 'uint32[]' | 'float32[]', readonly number[]]

/** One tensor to write. */
export interface GgufTensor {
  name: string
  /** Row-major; the file stores it in reverse order. */
  shape: readonly number[]
  /** ggml's name of the element type, e.g. `Q4_K`. */
  type: string
  /** The bytes in pieces; called when the tensor is written. */
  data(): AsyncIterable<Uint8Array>
}

/** The numbers of the metadata's types, and how to write them. */
const scalars = {
  uint32: [4, 4, (view: DataView, value: number) => view.setUint32(0, value, true)],
  int32: [5, 4, (view: DataView, value: number) => view.setInt32(0, value, true)],
  float32: [6, 4, (view: DataView, value: number) => view.setFloat32(0, value, true)],
} as const
const [BOOL, STRING, ARRAY] = [7, 8, 9]
const ALIGNMENT = 32

/** Bytes of a GGUF file of version 3 before its first tensor, and the bytes of each tensor. */
function layout(
  path: string,
  metadata: Readonly<Record<string, GgufEntry>>,
  tensors: readonly GgufTensor[],
): { header: Buffer; sizes: number[]; total: number } {
  const parts = [Buffer.from('GGUF'), scalar('uint32', 3), uint64(tensors.length)]
  parts.push(uint64(Object.keys(metadata).length))
  for (const [key, entry] of Object.entries(metadata)) parts.push(text(key), ...encoded(entry))
  const sizes: number[] = []
  let start = 0
  for (const { name, shape, type } of tensors) {
    const nbytes = tensorBytes(path, name, shape, type)
    const { id } = ggufTypeNamed(type)!
    const dims = [...shape].reverse().map(uint64)
    parts.push(text(name), scalar('uint32', shape.length), ...dims, scalar('uint32', id), uint64(start))
    sizes.push(nbytes)
    start += aligned(nbytes)
  }
  const header = Buffer.concat(parts)
  return { header: padded(header), sizes, total: aligned(header.length) + start }
}

/** @throws Error when a row is not a whole number of the type's blocks. */
function tensorBytes(path: string, name: string, shape: readonly number[], type: string): number {
  const block = ggufTypeNamed(type)
  const columns = shape.at(-1) ?? 1
  if (!block || columns % block.elements !== 0)
    throw new Error(`${path}: tensor '${name}' of shape [${shape.join(', ')}] cannot be stored as ${type}`)
  return (shape.reduce((n, d) => n * d, 1) / block.elements) * block.bytes
}

/**
 * Writes a GGUF file of version 3; it appears at `path` when it is complete. Tensors' bytes are requested one
 * after another.
 * @throws Error naming the tensor whose type or byte count is wrong, or with the disk's error; an existing file
 * at `path` stays.
 */
export async function writeGguf(
  path: string,
  metadata: Readonly<Record<string, GgufEntry>>,
  tensors: readonly GgufTensor[],
  options: {
    signal?: AbortSignal | undefined
    progress?: ((written: number, total: number) => void) | undefined
  } = {},
): Promise<void> {
  const { header, sizes, total } = layout(path, metadata, tensors)
  await disk.mkdir(dirname(path), { recursive: true })
  await ensureFreeSpace(dirname(path), total)
  await replaceFile(path, async (file: FileHandle) => {
    await writeAll(file, header)
    let done = header.length
    for (const [i, { name, data }] of tensors.entries()) {
      let written = 0
      for await (const bytes of data()) {
        options.signal?.throwIfAborted()
        await writeAll(file, bytes)
        written += bytes.byteLength
      }
      if (written !== sizes[i])
        throw new Error(`tensor '${name}' gave ${written} bytes; expected ${sizes[i]}`)
      await writeAll(file, Buffer.alloc(aligned(written) - written))
      done += aligned(written)
      options.progress?.(done, total)
    }
  })
}

function encoded(entry: GgufEntry): Buffer[] {
  const [kind, value] = entry
  if (kind === 'string') return [scalar('uint32', STRING), text(value)]
  if (kind === 'bool') return [scalar('uint32', BOOL), Buffer.from([value ? 1 : 0])]
  if (kind === 'string[]')
    // One buffer: a vocabulary has more texts than a call may have arguments.
    return [
      ...[ARRAY, STRING].map((id) => scalar('uint32', id)),
      uint64(value.length),
      Buffer.concat(value.map(text)),
    ]
  if (typeof value === 'number') {
    const of = kind as keyof typeof scalars
    return [scalar('uint32', scalars[of][0]), scalar(of, value)]
  }
  const [id, size, set] = scalars[kind.slice(0, -2) as keyof typeof scalars]
  const items = Buffer.alloc(value.length * size)
  for (const [i, item] of value.entries()) set(new DataView(items.buffer, items.byteOffset + i * size), item)
  return [...[ARRAY, id].map((n) => scalar('uint32', n)), uint64(value.length), items]
}

function scalar(kind: keyof typeof scalars, value: number): Buffer {
  const bytes = Buffer.alloc(scalars[kind][1])
  scalars[kind][2](new DataView(bytes.buffer, bytes.byteOffset), value)
  return bytes
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8')
  return Buffer.concat([uint64(bytes.length), bytes])
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)])
}
