/** A tensor for {@link ggufBytes}: `dims` in the file's order (columns first), `type` ggml's id. */
export interface TestTensor {
  name: string
  dims: number[]
  type: number
  start: number
}

/** Metadata of a test file: strings, floats, unsigned integers, booleans, and lists of these (one kind each). */
export type TestValue = string | number | bigint | boolean | string[] | number[]

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
const string = (text: string): Buffer => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)])

function typed(value: TestValue): [type: number, bytes: Buffer] {
  if (typeof value === 'string') return [8, string(value)]
  if (typeof value === 'boolean') return [7, Buffer.from([value ? 1 : 0])]
  if (typeof value === 'bigint') return [10, u64(value)]
  if (typeof value === 'number' && Number.isInteger(value)) return [4, u32(value)]
  if (typeof value === 'number') return [6, Buffer.from(new Float32Array([value]).buffer)]
  const items = (value as TestValue[]).map(typed)
  return [9, Buffer.concat([u32(items[0]?.[0] ?? 4), u64(items.length), ...items.map((item) => item[1])])]
}

/** Bytes of a GGUF file, version 3, alignment 32; `data` follows the header as it is. */
export function ggufBytes(
  metadata: Record<string, TestValue>,
  tensors: TestTensor[] = [],
  data: Uint8Array = new Uint8Array(),
): Buffer {
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(Object.keys(metadata).length)]
  for (const [key, value] of Object.entries(metadata)) {
    const [type, bytes] = typed(value)
    parts.push(string(key), u32(type), bytes)
  }
  for (const { name, dims, type, start } of tensors) {
    parts.push(string(name), u32(dims.length), ...dims.map(u64), u32(type), u64(start))
  }
  const header = Buffer.concat(parts)
  return Buffer.concat([header, Buffer.alloc(-header.length & 31), data])
}
