import { type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ensureFreeSpace, replaceFile, writeAll } from './atomic'
import { disk } from './disk'
import { SAFETENSORS_DTYPES, type SafetensorsDtype, tensorBytes } from './safetensors-header'

/**
 * One tensor to write. If `data` is a function, it is called when the tensor is written, so that only one
 * tensor, or one piece of it, is in memory at a time.
 */
export interface SafetensorsEntry {
  name: string
  dtype: SafetensorsDtype
  shape: readonly number[]
  data: Uint8Array | (() => Promise<Uint8Array> | AsyncIterable<Uint8Array>)
}

/**
 * Writes a safetensors file as the reference writer does: tensors are sorted by descending data type, then by
 * name; the JSON header is padded with spaces to a multiple of 8. The file appears at `path` only when it is
 * complete (see `replaceFile`).
 *
 * @param entries - collected first, since the header comes before the data
 * @param metadata - `__metadata__`; use `{ format: 'pt' }` for files that transformers and PEFT load
 * @throws Error naming the tensor whose name, dtype, shape or byte count is wrong, or with the disk's error.
 */
export async function writeSafetensors(
  path: string,
  entries: Iterable<SafetensorsEntry> | AsyncIterable<SafetensorsEntry>,
  metadata: Record<string, string> = {},
  options: {
    signal?: AbortSignal | undefined
    progress?: ((written: number, total: number) => void) | undefined
    /** Keep the order of the entries; each must begin at a multiple of its dtype's size. */
    keepOrder?: boolean | undefined
    /** See `replaceFile`. */
    whenWritten?: (() => Promise<void>) | undefined
  } = {},
): Promise<void> {
  const sorted: SafetensorsEntry[] = []
  for await (const entry of entries) sorted.push(entry)
  if (!options.keepOrder) sorted.sort(byDtypeThenName)
  const { header, sizes, total } = layout(path, sorted, metadata)
  await disk.mkdir(dirname(path), { recursive: true })
  await ensureFreeSpace(dirname(path), header.byteLength + total)
  const write = async (file: FileHandle): Promise<void> => {
    await writeAll(file, header)
    let written = 0
    for (const [i, { name, data }] of sorted.entries()) {
      options.signal?.throwIfAborted()
      let given = 0
      for await (const bytes of pieces(data)) {
        options.signal?.throwIfAborted()
        given += bytes.byteLength
        if (given > sizes[i]!) break
        await writeAll(file, bytes)
      }
      if (given !== sizes[i]) throw new Error(`tensor '${name}' gave ${given} bytes; expected ${sizes[i]}`)
      written += given
      options.progress?.(written, total)
    }
  }
  await replaceFile(path, write, options.whenWritten)
}

async function* pieces(data: SafetensorsEntry['data']): AsyncGenerator<Uint8Array> {
  const made = typeof data === 'function' ? data() : data
  if (Symbol.asyncIterator in made) yield* made
  else yield await made
}

function layout(
  path: string,
  entries: SafetensorsEntry[],
  metadata: Record<string, string>,
): { header: Uint8Array; sizes: number[]; total: number } {
  // Without a prototype, since a tensor may be named '__proto__'.
  const json = Object.create(null) as Record<string, unknown>
  if (Object.keys(metadata).length > 0) json['__metadata__'] = metadata
  const sizes: number[] = []
  let total = 0
  for (const { name, dtype, shape } of entries) {
    if (name === '__metadata__' || name in json) {
      throw new Error(`${path}: tensor name '${name}' is ${name in json ? 'given twice' : 'reserved'}`)
    }
    const nbytes = SAFETENSORS_DTYPES.includes(dtype) ? tensorBytes(dtype, shape) : undefined
    if (nbytes === undefined || shape.some((size) => !Number.isSafeInteger(size) || size < 0)) {
      throw new Error(
        `${path}: tensor '${name}': cannot store dtype ${dtype} with shape [${shape.join(', ')}]`,
      )
    }
    json[name] = { dtype, shape, data_offsets: [total, total + nbytes] }
    sizes.push(nbytes)
    total += nbytes
  }
  const text = Buffer.from(JSON.stringify(json), 'utf8')
  const header = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ')
  header.writeBigUInt64LE(BigInt(header.length - 8))
  text.copy(header, 8)
  return { header, sizes, total }
}

function byDtypeThenName(a: SafetensorsEntry, b: SafetensorsEntry): number {
  const order = SAFETENSORS_DTYPES.indexOf(b.dtype) - SAFETENSORS_DTYPES.indexOf(a.dtype)
  return order || Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))
}
