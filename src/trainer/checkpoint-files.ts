import { crc32 } from 'node:zlib'
import { disk } from '../files/disk'
import { namingFile } from '../files/naming'
import { SafetensorsFile } from '../files/safetensors'
import { firstNonFinite } from '../tensor/finite-check'

/** Size and CRC-32 of a file. */
export interface FileDigest {
  bytes: number
  crc32: number
}

const PIECE = 2 ** 24

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
    let bytes = 0
    let sum = 0
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.byteLength, bytes)
      if (bytesRead === 0) return { bytes, crc32: sum }
      sum = crc32(piece.subarray(0, bytesRead), sum)
      bytes += bytesRead
    }
  } finally {
    await file.close()
  }
}

/** @throws Error naming the file and the first tensor that contains NaN or an infinity. */
export async function checkFinite(path: string): Promise<void> {
  const file = await SafetensorsFile.open(path)
  try {
    for (const info of file.tensors.values()) {
      if ((await firstNonFinite(info)) !== undefined)
        throw new Error(`${path}: '${info.name}' holds NaN or an infinity; expected finite numbers`)
    }
  } finally {
    await file.close()
  }
}
