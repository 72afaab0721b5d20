import { readFileSync } from 'node:fs'

/** Event files decoded without the code under test: own field walk, and a bitwise CRC instead of a table. */
export interface ReadEvent {
  wallTime: number
  step: number
  fileVersion?: string
  tag?: string
  value?: number
  text?: string
  plugin?: string
}

type Fields = Map<number, Array<number | bigint | Buffer>>

export function readEvents(file: string): ReadEvent[] {
  const bytes = readFileSync(file)
  const events: ReadEvent[] = []
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at))
    check(bytes.subarray(at, at + 8), bytes.readUInt32LE(at + 8), `length at ${at}`)
    const payload = bytes.subarray(at + 12, at + 12 + length)
    check(payload, bytes.readUInt32LE(at + 12 + length), `payload at ${at}`)
    events.push(...decode(payload))
    at += length + 16
  }
  return events
}

function decode(payload: Buffer): ReadEvent[] {
  const event = fields(payload)
  const base: ReadEvent = { wallTime: event.get(1)![0] as number, step: Number(event.get(2)?.[0] ?? 0) }
  if (event.has(3)) return [{ ...base, fileVersion: text(event, 3) }]
  return (event.get(5) ?? []).flatMap((summary) =>
    (fields(summary as Buffer).get(1) ?? []).map((bytes) => {
      const value = fields(bytes as Buffer)
      const read: ReadEvent = { ...base, tag: text(value, 1) }
      if (value.has(2)) read.value = value.get(2)![0] as number
      if (value.has(8)) {
        const tensor = fields(value.get(8)![0] as Buffer)
        if (tensor.get(1)![0] !== 7n) throw new Error('tensor is not a string')
        read.text = text(tensor, 8)
      }
      if (value.has(9)) read.plugin = text(fields(fields(value.get(9)![0] as Buffer).get(1)![0] as Buffer), 1)
      return read
    }),
  )
}

function text(from: Fields, field: number): string {
  return (from.get(field)![0] as Buffer).toString('utf8')
}

function fields(bytes: Buffer): Fields {
  const out: Fields = new Map()
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return BigInt.asIntN(64, value)
    }
  }
  while (at < bytes.length) {
    const key = Number(varint())
    let value: number | bigint | Buffer
    if ((key & 7) === 0) value = varint()
    else if ((key & 7) === 1) {
      value = bytes.readDoubleLE(at)
      at += 8
    } else if ((key & 7) === 5) {
      value = bytes.readFloatLE(at)
      at += 4
    } else if ((key & 7) === 2) {
      const length = Number(varint())
      value = bytes.subarray(at, (at += length))
    } else throw new Error(`wire type ${key & 7}`)
    out.set(key >> 3, [...(out.get(key >> 3) ?? []), value])
  }
  return out
}

function check(bytes: Buffer, stored: number, what: string): void {
  let crc = 0xffffffffn
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n
  }
  crc ^= 0xffffffffn
  const masked = (((crc >> 15n) | (crc << 17n)) & 0xffffffffn) + 0xa282ead8n
  if (Number(masked & 0xffffffffn) !== stored) throw new Error(`checksum of ${what} is wrong`)
}
