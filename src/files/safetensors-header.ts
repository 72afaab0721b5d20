import { messageOf } from './atomic'
import { parseJson } from './json'

/** Bits of one element. The order is that in which the reference writer sorts data types, small to large. */
const DTYPE_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const

/** Element type of a stored tensor, as safetensors spells it. */
export type SafetensorsDtype = keyof typeof DTYPE_BITS

/** Every known data type, ordered as the reference writer sorts them. */
export const SAFETENSORS_DTYPES: readonly SafetensorsDtype[] = Object.keys(DTYPE_BITS) as SafetensorsDtype[]

/**
 * The position of a tensor: `nbytes` bytes at the absolute position `offset` of `file`, row-major,
 * little-endian.
 */
export interface TensorInfo {
  name: string
  dtype: SafetensorsDtype
  shape: number[]
  file: string
  offset: number
  nbytes: number
}

/**
 * Bytes of a tensor: the product of its shape times element bits / 8. Undefined if that is not a safe integer
 * or not a whole number of bytes (4- and 6-bit types).
 */
export function tensorBytes(dtype: SafetensorsDtype, shape: readonly number[]): number | undefined {
  const bits = shape.reduce((product, size) => product * size, DTYPE_BITS[dtype])
  return Number.isSafeInteger(bits) && bits % 8 === 0 ? bits / 8 : undefined
}

/** Content of a safetensors header. */
export interface SafetensorsHeader {
  metadata: Record<string, string>
  tensors: Map<string, TensorInfo>
}

/**
 * Parses and checks the JSON header of a safetensors file: every tensor has a known dtype and a byte range that
 * fits dtype x shape, and the ranges cover the data without overlap or gap (as the reference reader requires).
 *
 * @param bytes - the JSON text, without the 8 bytes of its length
 * @param file - path, for messages and for each tensor's `file`
 * @param fileSize - size of the whole file in bytes
 * @throws Error naming file, offset and what was expected.
 */
export function parseSafetensorsHeader(bytes: Uint8Array, file: string, fileSize: number): SafetensorsHeader {
  const json = headerObject(bytes, file)
  const begin = 8 + bytes.byteLength
  const metadata = readMetadata(json['__metadata__'], file)
  const tensors = new Map<string, TensorInfo>()
  for (const [name, entry] of Object.entries(json)) {
    if (name !== '__metadata__') tensors.set(name, readTensor(name, entry, file, begin, fileSize))
  }
  checkCoverage([...tensors.values()], file, begin, fileSize)
  return { metadata, tensors }
}

function headerObject(bytes: Uint8Array, file: string): Record<string, unknown> {
  const fault = (what: string): Error =>
    new Error(`${file}: header at offset 8 (${bytes.byteLength} bytes) ${what}; expected a JSON object`)
  let json: unknown
  try {
    json = parseJson(file, new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw fault(`is not valid JSON (${messageOf(error).replace(`${file}: `, '')})`)
  }
  if (!isObject(json)) throw fault('is JSON of another kind')
  return json
}

function readMetadata(value: unknown, file: string): Record<string, string> {
  if (value === undefined || value === null) return {}
  if (!isObject(value) || Object.values(value).some((text) => typeof text !== 'string')) {
    throw new Error(`${file}: __metadata__ in the header at offset 8: expected an object of strings`)
  }
  return value as Record<string, string>
}

function readTensor(name: string, entry: unknown, file: string, begin: number, fileSize: number): TensorInfo {
  const fault = (what: string): Error =>
    new Error(`${file}: tensor '${name}' in the header at offset 8: ${what}`)
  if (!isObject(entry)) throw fault('expected an object with dtype, shape and data_offsets')
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string' || !(SAFETENSORS_DTYPES as readonly string[]).includes(dtype)) {
    throw fault(`unknown dtype ${JSON.stringify(dtype)}; expected one of ${SAFETENSORS_DTYPES.join(', ')}`)
  }
  if (!isSizes(shape)) throw fault(`shape ${JSON.stringify(shape)}; expected a list of integers >= 0`)
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw fault(`data_offsets ${JSON.stringify(offsets)}; expected [begin, end], two integers >= 0`)
  }
  const [from, to] = offsets as [number, number]
  const nbytes = tensorBytes(dtype as SafetensorsDtype, shape)
  if (nbytes === undefined || to - from !== nbytes) {
    throw fault(
      `data_offsets [${from}, ${to}] span ${to - from} bytes; expected ${nbytes ?? 'a whole number of'} bytes ` +
        `for ${dtype} of shape [${shape.join(', ')}]`,
    )
  }
  if (begin + to > fileSize) {
    throw fault(
      `data ends at offset ${begin + to}, but the file has ${fileSize} bytes: it is truncated or the header lies`,
    )
  }
  return { name, dtype: dtype as SafetensorsDtype, shape, file, offset: begin + from, nbytes }
}

/** The ranges must be adjacent from the end of the header to the end of the file. */
function checkCoverage(tensors: TensorInfo[], file: string, begin: number, fileSize: number): void {
  tensors.sort((a, b) => a.offset - b.offset || a.nbytes - b.nbytes)
  let end = begin
  for (const { name, offset, nbytes } of tensors) {
    if (offset !== end) {
      const what = offset < end ? 'overlaps the tensor before it' : 'leaves a hole after the data before it'
      throw new Error(`${file}: tensor '${name}' at offset ${offset} ${what}; expected offset ${end}`)
    }
    end = offset + nbytes
  }
  if (end !== fileSize) {
    throw new Error(`${file}: tensor data ends at offset ${end}; expected the end of the file at ${fileSize}`)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}
