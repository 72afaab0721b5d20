import { type FileHandle, open } from 'node:fs/promises'
import { GgufCursor } from './gguf-cursor'
import { DEQUANTIZABLE, dequantize } from './gguf-dequantize'
import { type GgufHeader, type GgufTensorInfo, type GgufValue, readGgufHeader } from './gguf-header'
import { readRange } from './read-range'
import { unreadable } from './text'

export type { GgufTensorInfo, GgufValue } from './gguf-header'

/** Values dequantized between two reads: some milliseconds of work. It is a multiple of every block size. */
const PIECE = 2 ** 20

/** A GGUF file: its metadata and tensor declarations, and reading of single tensors. */
export class GgufFile {
  readonly metadata: Record<string, GgufValue>
  readonly tensors: GgufTensorInfo[]
  private readonly byName: Map<string, GgufTensorInfo>

  constructor(
    readonly path: string,
    header: GgufHeader,
  ) {
    this.metadata = header.metadata
    this.tensors = header.tensors
    this.byName = new Map(header.tensors.map((tensor) => [tensor.name, tensor]))
  }

  /** A tensor's declaration. Throws when there is none of that name. */
  info(name: string): GgufTensorInfo {
    const info = this.byName.get(name)
    if (!info) throw new Error(`${this.path}: no tensor '${name}' among its ${this.tensors.length} tensors`)
    return info
  }

  /**
   * One tensor, dequantized to fp32, in row-major order. Types: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0,
   * IQ4_NL, Q2_K to Q6_K.
   *
   * @throws Error on an unknown name, another type, or a file that became shorter since it was opened; the
   * reason on abort.
   */
  async read(name: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Float32Array> {
    const { type, shape, offset, nbytes } = this.info(name)
    if (!DEQUANTIZABLE.includes(type)) {
      throw new Error(`${this.path}: tensor '${name}' is ${type}; supported: ${DEQUANTIZABLE.join(', ')}`)
    }
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1))
    return withFile(this.path, async (handle) => {
      const bytesPerValue = nbytes / values.length
      for (let from = 0; from < values.length; from += PIECE) {
        const part = values.subarray(from, from + PIECE)
        const at = offset + from * bytesPerValue
        const bytes = await readRange(handle, this.path, at, part.length * bytesPerValue, options.signal)
        dequantize(type, bytes, part)
      }
      return values
    })
  }
}

/**
 * Opens a GGUF file and checks its header. The file is not kept open: each read opens it again, so nothing
 * needs to be closed.
 *
 * @throws Error naming file, offset and what was expected.
 */
export async function openGguf(path: string): Promise<GgufFile> {
  return withFile(path, async (handle) => {
    const { size } = await handle.stat()
    const header = await readGgufHeader(new GgufCursor(handle, path, size))
    const parts = header.metadata['split.count']
    if (typeof parts === 'number' && parts > 1) {
      throw new Error(`${path}: is one of ${parts} split files; join them first (llama-gguf-split --merge)`)
    }
    return new GgufFile(path, header)
  })
}

async function withFile<T>(path: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(path, error)
  })
  try {
    return await use(handle)
  } finally {
    await handle.close()
  }
}
