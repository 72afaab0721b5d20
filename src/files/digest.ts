import { crc32 } from 'node:zlib'
import { disk } from './disk'
import { namingFile } from './naming'

/** Size and CRC-32 of a file. */
export interface FileDigest {
  bytes: number
  crc32: number
}

const PIECE = 2 ** 24

/** The digest after appending these bytes to the file. */
export function extended({ bytes, crc32: sum }: FileDigest, more: Uint8Array): FileDigest {
  return { bytes: bytes + more.byteLength, crc32: crc32(more, sum) }
}

/** @throws Error naming the file when it cannot be read. */
export function digestOf(path: string): Promise<FileDigest> {
  return namingFile(path, () => readDigest(path))
}

async function readDigest(path: string): Promise<FileDigest> {
  const file = await disk.open(path, 'r')
  try {
    // Small pieces for small files: each large buffer triggers the garbage collector.
    const { size } = await file.stat()
    const piece = new Uint8Array(Math.min(PIECE, size + 1))
    let digest: FileDigest = { bytes: 0, crc32: 0 }
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.byteLength, digest.bytes)
      if (bytesRead === 0) return digest
      digest = extended(digest, piece.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}
