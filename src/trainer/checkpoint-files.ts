import { crc32 } from 'node:zlib'
import { disk } from '../files/disk'
import { SafetensorsFile, type SafetensorsDtype } from '../files/safetensors'

/** Size and CRC-32 of a file. */
export interface FileDigest {
  bytes: number
  crc32: number
}

const PIECE = 2 ** 24

export async function digestOf(path: string): Promise<FileDigest> {
  const file = await disk.open(path, 'r')
  try {
    const piece = new Uint8Array(PIECE)
    let bytes = 0
    let sum = 0
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE, bytes)
      if (bytesRead === 0) return { bytes, crc32: sum }
      sum = crc32(piece.subarray(0, bytesRead), sum)
      bytes += bytesRead
    }
  } finally {
    await file.close()
  }
}

/** The bits of the exponent: all set in NaN and infinities. */
const EXPONENT: Partial<Record<SafetensorsDtype, number>> = { F32: 0x7f800000, BF16: 0x7f80, F16: 0x7c00 }

/** @throws Error naming the file and the first tensor that holds NaN or an infinity. */
export async function checkFinite(path: string): Promise<void> {
  const file = await SafetensorsFile.open(path)
  try {
    for (const { name, dtype } of file.tensors.values()) {
      const mask = EXPONENT[dtype]
      if (mask === undefined) continue
      const { buffer, byteOffset, byteLength } = await file.read(name)
      const words =
        dtype === 'F32'
          ? new Uint32Array(buffer, byteOffset, byteLength / 4)
          : new Uint16Array(buffer, byteOffset, byteLength / 2)
      for (let i = 0; i < words.length; i++) {
        if ((words[i]! & mask) === mask)
          throw new Error(`${path}: '${name}' holds NaN or an infinity; expected finite numbers`)
      }
    }
  } finally {
    await file.close()
  }
}
