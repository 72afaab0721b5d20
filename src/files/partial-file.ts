import type { Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'

/** A file that grows at its end, and the hash of its content so far. */
export class PartialFile {
  /** Bytes in the file. */
  received: number = 0
  /** The disk's own error; another connection would not help. */
  fault: unknown
  private hash: Hash | undefined

  constructor(
    private readonly file: FileHandle,
    private readonly size: number,
    private readonly fresh: () => Hash | undefined,
  ) {
    this.hash = fresh()
  }

  /** Continues an earlier download: its bytes go into the hash. */
  async resume(): Promise<void> {
    const { size } = await this.file.stat()
    if (size > this.size) return this.restart()
    const piece = new Uint8Array(2 ** 20)
    while (this.received < size) {
      const { bytesRead } = await this.file.read(piece, 0, piece.length, this.received)
      if (bytesRead === 0) return this.restart()
      this.hash?.update(piece.subarray(0, bytesRead))
      this.received += bytesRead
    }
  }

  async restart(): Promise<void> {
    await this.file.truncate(0)
    this.received = 0
    this.hash = this.fresh()
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (this.received + chunk.length > this.size) {
      await this.restart()
      throw new Error(`more than the expected ${this.size} bytes came`)
    }
    try {
      for (let done = 0; done < chunk.length;) {
        const { bytesWritten } = await this.file.write(chunk, done, chunk.length - done, this.received + done)
        done += bytesWritten
      }
    } catch (error) {
      this.fault = error
      throw error
    }
    this.hash?.update(chunk)
    this.received += chunk.length
  }

  digest(): string | undefined {
    return this.hash?.digest('hex')
  }
}
