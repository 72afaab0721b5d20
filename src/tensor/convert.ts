import type { DType, FloatDType } from './dtype'

/** The result of `await tensor.data()`: 16-bit floats are widened to float32; int64 is a BigInt64Array. */
export type TensorData = Float32Array | Int32Array | BigInt64Array | Uint8Array | Int8Array

const scratch: DataView = new DataView(new ArrayBuffer(4))

function bf16Bits(x: number): number {
  scratch.setFloat32(0, x)
  const bits = scratch.getUint32(0)
  if (x !== x) return 0x7fc0
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

/** Rounds to nearest even; overflow gives infinity, as in IEEE 754. */
function f16Bits(x: number): number {
  scratch.setFloat32(0, x)
  const bits = scratch.getUint32(0)
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x38800000) {
    // Subnormal half: the value in units of 2^-24; JavaScript's doubles are exact here and round correctly.
    const units = Math.abs(Math.fround(x)) * 2 ** 24
    const floor = Math.floor(units)
    const rest = units - floor
    return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0))
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1)
  return sign | ((rounded - 0x38000000) >>> 13)
}

function f16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  if (exponent === 0) return sign * fraction * 2 ** -24
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Bytes as the tensor stores them, converted to numbers. */
export function decode(bytes: ArrayBuffer, dtype: DType): TensorData {
  switch (dtype) {
    case 'float32':
      return new Float32Array(bytes)
    case 'int32':
      return new Int32Array(bytes)
    case 'int64':
      return new BigInt64Array(bytes)
    case 'uint8':
      return new Uint8Array(bytes)
    case 'int8':
      return new Int8Array(bytes)
    case 'bfloat16': {
      const source = new Uint16Array(bytes)
      const bits = new Uint32Array(source.length)
      for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16
      return new Float32Array(bits.buffer)
    }
    case 'float16':
      return Float32Array.from(new Uint16Array(bytes), f16Value)
  }
}

/** Numbers, converted to bytes as a tensor of this dtype stores them. Floats are rounded to nearest even. */
export function encode(values: ArrayLike<number | bigint>, dtype: DType): Uint8Array {
  const numbers = values as ArrayLike<number>
  switch (dtype) {
    case 'float32':
      return bytesOf(values instanceof Float32Array ? values : Float32Array.from(numbers))
    case 'int32':
      return bytesOf(values instanceof Int32Array ? values : Int32Array.from(numbers, Number))
    case 'int64':
      return bytesOf(BigInt64Array.from(Array.from(values as ArrayLike<number | bigint>), (v) => BigInt(v)))
    case 'uint8':
      return bytesOf(values instanceof Uint8Array ? values : Uint8Array.from(numbers))
    case 'int8':
      return bytesOf(values instanceof Int8Array ? values : Int8Array.from(numbers))
    case 'bfloat16':
      return bytesOf(Uint16Array.from(numbers, bf16Bits))
    case 'float16':
      return bytesOf(Uint16Array.from(numbers, f16Bits))
  }
}

/** The nearest value of the dtype. */
export function roundTo(value: number, dtype: FloatDType): number {
  return Number(decode(encode([value], dtype).slice().buffer, dtype)[0])
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}
