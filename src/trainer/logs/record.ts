const table: Uint32Array = makeTable()

function makeTable(): Uint32Array {
  const out = new Uint32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    out[byte] = crc >>> 0
  }
  return out
}

/** CRC-32C (Castagnoli) of `bytes`. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!
  return (crc ^ 0xffffffff) >>> 0
}

/** TensorFlow's masked checksum: a plain CRC is weak for data that itself contains CRCs. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** One TFRecord: length (u64 le), masked crc of the length, payload, masked crc of the payload. */
export function tfRecord(payload: Uint8Array): Buffer {
  const record = Buffer.alloc(payload.length + 16)
  record.writeBigUInt64LE(BigInt(payload.length), 0)
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8)
  record.set(payload, 12)
  record.writeUInt32LE(maskedCrc(payload), 12 + payload.length)
  return record
}
