import { type FileHandle } from 'node:fs/promises'
import { disk } from './disk'
import { readRange } from './read-range'
import { unreadable } from './text'
import { parseSafetensorsHeader, type SafetensorsHeader, type TensorInfo } from './safetensors-header'

export { type SafetensorsDtype, type TensorInfo } from './safetensors-header'

/**
 * An open safetensors file: 8 bytes of header length (little-endian), JSON header, tensor data. Only the header
 * is kept in memory; tensors are read by range, so files of any size (also above 4 GB) work. Close it when
 * done.
 */
export class SafetensorsFile {
  /** The header's `__metadata__` (PEFT and transformers write `format: 'pt'`). */
  readonly metadata: Record<string, string>
  /** Tensors by name, in the header's order. */
  readonly tensors: Map<string, TensorInfo>

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    header: SafetensorsHeader,
  ) {
    this.metadata = header.metadata
    this.tensors = header.tensors
  }

  /** Opens `path` and checks its header. @throws Error naming file, offset and what was expected. */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await disk.open(path, 'r').catch((error: unknown) => {
      throw unreadable(path, error)
    })
    try {
      return new SafetensorsFile(path, handle, await readHeader(handle, path))
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /**
   * Raw little-endian bytes of one tensor, at the start of a buffer of its own. Throws when there is no such
   * tensor.
   */
  async read(name: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Uint8Array> {
    const info = this.tensors.get(name)
    if (!info) throw new Error(`${this.path}: no tensor '${name}' among its ${this.tensors.size} tensors`)
    return readRange(this.handle, this.path, info.offset, info.nbytes, options.signal)
  }

  async close(): Promise<void> {
    await this.handle.close()
  }
}

async function readHeader(handle: FileHandle, path: string): Promise<SafetensorsHeader> {
  const found = await handle.stat()
  if (!found.isFile()) throw new Error(`${path}: is a folder or a device; expected a file`)
  const { size } = found
  if (size < 8) {
    throw new Error(`${path}: truncated: ${size} bytes; expected 8 bytes of header length at offset 0`)
  }
  const prefix = await readRange(handle, path, 0, 8)
  const length = new DataView(prefix.buffer).getBigUint64(0, true)
  if (length > BigInt(size - 8)) {
    throw new Error(
      `${path}: header length at offset 0 says ${length} bytes, but only ${size - 8} follow: ` +
        'the file is truncated or no safetensors file',
    )
  }
  return parseSafetensorsHeader(await readRange(handle, path, 8, Number(length)), path, size)
}
