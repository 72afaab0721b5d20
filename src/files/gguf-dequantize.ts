import { K_BLOCKS } from './gguf-k-quants'

/** Writes the values of whole blocks in `bytes` to `out`; both lengths must match. */
type Dequantize = (bytes: Uint8Array, out: Float32Array) => void

/** Values per block of the quantized types. */
const BLOCK = 32
const HALF = BLOCK / 2
/** The neutral summand: x + -0 equals x even for x = -0, which x + 0 does not. */
const NO_OFFSET = -0

/** The 16 values of IQ4_NL. */
const IQ4_VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]

/**
 * One function per type: ggml's reference formula. d and m are fp16, and q is an integer of at most 8 bits, so
 * d * q and d * q + m are exact in double precision and rounded once, when they are stored: bit-equal to fp32
 * arithmetic. The same holds for the scales of 256-value blocks, which have 8 bits more.
 */
const TYPES: Readonly<Record<string, Dequantize>> = {
  F32: (bytes, out) => bytesOf(out).set(bytes),
  F16: (bytes, out) => copyHalves(bytes, out, halfBits),
  BF16: (bytes, out) => copyHalves(bytes, out, (bits) => bits << 16),
  // value = d * (q - 8)
  Q4_0: blocks(18, (bytes, at, out, to) =>
    nibbles(bytes, at + 2, out, to, 0, half(bytes, at), -8, NO_OFFSET),
  ),
  // value = d * q + m
  Q4_1: blocks(20, (bytes, at, out, to) =>
    nibbles(bytes, at + 4, out, to, 0, half(bytes, at), 0, half(bytes, at + 2)),
  ),
  // value = d * (q - 16); the fifth bits of all 32 q come first
  Q5_0: blocks(22, (bytes, at, out, to) =>
    nibbles(bytes, at + 6, out, to, word(bytes, at + 2), half(bytes, at), -16, NO_OFFSET),
  ),
  // value = d * q + m; fifth bits as in Q5_0
  Q5_1: blocks(24, (bytes, at, out, to) =>
    nibbles(bytes, at + 8, out, to, word(bytes, at + 4), half(bytes, at), 0, half(bytes, at + 2)),
  ),
  // value = d * q, q signed
  Q8_0: blocks(34, (bytes, at, out, to) => {
    const d = half(bytes, at)
    for (let i = 0; i < BLOCK; i++) out[to + i] = d * ((bytes[at + 2 + i]! << 24) >> 24)
  }),
  // value = d * one of 16 numbers
  IQ4_NL: blocks(18, (bytes, at, out, to) => {
    const d = half(bytes, at)
    for (let i = 0; i < HALF; i++) {
      const byte = bytes[at + 2 + i]!
      out[to + i] = d * IQ4_VALUES[byte & 15]!
      out[to + i + HALF] = d * IQ4_VALUES[byte >> 4]!
    }
  }),
  ...Object.fromEntries(
    Object.entries(K_BLOCKS).map(([name, [size, block]]): [string, Dequantize] => [
      name,
      blocks(size, (bytes, at, out, to) => block(bytes, at, out, to, half), 256),
    ]),
  ),
}

/** Names of the ggml types that {@link dequantize} reads. */
export const DEQUANTIZABLE: readonly string[] = Object.keys(TYPES)

/**
 * Dequantizes blocks of the ggml type `type` into `out`, overwriting it; bit-equal to llama.cpp's reference.
 *
 * @param bytes - whole blocks that hold exactly `out.length` values
 * @throws Error when the type is not one of {@link DEQUANTIZABLE}
 */
export function dequantize(type: string, bytes: Uint8Array, out: Float32Array): void {
  const kernel = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined
  if (!kernel)
    throw new Error(`[dequantize] type ${type} is not supported; supported: ${DEQUANTIZABLE.join(', ')}`)
  kernel(bytes, out)
}

function blocks(
  size: number,
  one: (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void,
  values = BLOCK,
): Dequantize {
  return (bytes, out) => {
    for (let at = 0, to = 0; to < out.length; at += size, to += values) one(bytes, at, out, to)
  }
}

/**
 * 16 bytes hold values 0-15 in their low halves and 16-31 in their high halves; bit i of `fifth` adds 16 to
 * value i.
 */
function nibbles(
  bytes: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
  fifth: number,
  d: number,
  shift: number,
  m: number,
): void {
  for (let i = 0; i < HALF; i++) {
    const byte = bytes[at + i]!
    const low = (byte & 15) | (((fifth >>> i) & 1) << 4)
    const high = (byte >> 4) | (((fifth >>> (i + HALF)) & 1) << 4)
    out[to + i] = d * (low + shift) + m
    out[to + i + HALF] = d * (high + shift) + m
  }
}

/** Copies bit patterns, not numbers, so that a NaN keeps its payload. */
function copyHalves(bytes: Uint8Array, out: Float32Array, widen: (bits: number) => number): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length)
  for (let i = 0; i < bits.length; i++) bits[i] = widen(bytes[2 * i]! | (bytes[2 * i + 1]! << 8))
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function half(bytes: Uint8Array, at: number): number {
  return HALVES[bytes[at]! | (bytes[at + 1]! << 8)]!
}

/** fp32 bits of an fp16 bit pattern. */
function halfBits(bits: number): number {
  const sign = (bits & 0x8000) << 16
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return sign | 0x7f800000 | (fraction << 13)
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13)
  if (fraction === 0) return sign
  // A subnormal is fraction * 2^-24; its leading one becomes the implicit bit.
  const lead = 31 - Math.clz32(fraction)
  return sign | ((lead + 103) << 23) | ((fraction << (23 - lead)) & 0x7fffff)
}

/** All fp16 values by bit pattern (256 KiB): scales are looked up once or twice per block. */
const HALVES: Float32Array = new Float32Array(
  Uint32Array.from({ length: 65536 }, (_, bits) => halfBits(bits)).buffer,
)
