import type { FileHandle } from 'node:fs/promises'
import { readRange } from './read-range'

/** Bytes read in advance; between two reads the parser runs synchronously. */
const WINDOW = 2 ** 20

/**
 * Reads a file from front to back. Callers first make sure that bytes are available (`if (!c.has(n)) await
 * c.load(n)`), so that a hundred thousand short strings do not need as many promises.
 */
export class GgufCursor {
  private window: Uint8Array = new Uint8Array()
  private view = new DataView(this.window.buffer)
  private start = 0
  private at = 0

  constructor(
    private readonly handle: FileHandle,
    readonly file: string,
    /** Size of the file in bytes. */
    readonly size: number,
  ) {}

  /** Absolute position in the file. */
  get position(): number {
    return this.start + this.at
  }

  has(bytes: number): boolean {
    return this.window.length - this.at >= bytes
  }

  /** Makes `bytes` bytes from the position on available. Throws when the file ends before. */
  async load(bytes: number): Promise<void> {
    const left = this.size - this.position
    if (bytes > left)
      throw this.fault(`truncated or lying: expected ${bytes} bytes, the file has ${left} more`)
    const start = this.position
    this.window = await readRange(this.handle, this.file, start, Math.min(left, Math.max(bytes, WINDOW)))
    this.view = new DataView(this.window.buffer)
    this.start = start
    this.at = 0
  }

  fault(what: string): Error {
    return new Error(`${this.file}: GGUF header at offset ${this.position}: ${what}`)
  }

  /** The next number, read with this DataView getter; its bytes must be available. */
  take<T>(bytes: number, get: (view: DataView, at: number) => T): T {
    const value = get(this.view, this.at)
    this.at += bytes
    return value
  }

  text(bytes: number): string {
    const from = this.at
    this.at += bytes
    return decoder.decode(this.window.subarray(from, this.at))
  }
}

const decoder = new TextDecoder()
