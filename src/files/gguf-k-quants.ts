/** Writes the 256 values of one block at `at` to `out`, from `to` on. `half` reads fp16 at an offset. */
type Block = (
  bytes: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
  half: (bytes: Uint8Array, at: number) => number,
) => void

/** ggml's block formats of 256 values: 8 or 16 groups with a scale each, and fp16 scales of these scales. */
export const K_BLOCKS: Readonly<Record<string, readonly [bytes: number, block: Block]>> = {
  // value = d * scale * q - dmin * min of 16 values; scale and min are the halves of one byte, q has 2 bits
  Q2_K: [
    84,
    (bytes, at, out, to, half) => {
      const [d, dmin] = [half(bytes, at + 80), half(bytes, at + 82)]
      for (let i = 0; i < 256; i++) {
        const scale = bytes[at + (i >> 4)]!
        out[to + i] = d * (scale & 15) * twoBits(bytes, at + 16, i) - dmin * (scale >> 4)
      }
    },
  ],
  // value = d * (scale - 32) * (q - 4), q has 2 bits and a third in a mask; 16 scales of 6 bits
  Q3_K: [
    110,
    (bytes, at, out, to, half) => {
      const d = half(bytes, at + 108)
      for (let i = 0; i < 256; i++) {
        const group = i >> 4
        const low = (bytes[at + 96 + (group & 7)]! >> (group < 8 ? 0 : 4)) & 15
        const high = (bytes[at + 104 + (group & 3)]! >> (2 * (group >> 2))) & 3
        const third = (bytes[at + (i & 31)]! >> (i >> 5)) & 1
        out[to + i] = d * ((low | (high << 4)) - 32) * (twoBits(bytes, at + 32, i) - (third ? 0 : 4))
      }
    },
  ],
  // value = d * scale * q - dmin * min of 32 values; q has 4 bits, scale and min 6
  Q4_K: [
    144,
    (bytes, at, out, to, half) => {
      const [d, dmin] = [half(bytes, at), half(bytes, at + 2)]
      for (let group = 0; group < 8; group++) {
        const [scale, min] = scaleAndMin(bytes, at + 4, group)
        for (let i = 32 * group; i < 32 * (group + 1); i++)
          out[to + i] = d * scale * fourBits(bytes, at + 16, i) - dmin * min
      }
    },
  ],
  // as Q4_K, with a fifth bit in a mask
  Q5_K: [
    176,
    (bytes, at, out, to, half) => {
      const [d, dmin] = [half(bytes, at), half(bytes, at + 2)]
      for (let group = 0; group < 8; group++) {
        const [scale, min] = scaleAndMin(bytes, at + 4, group)
        for (let i = 32 * group; i < 32 * (group + 1); i++) {
          const fifth = (bytes[at + 16 + (i & 31)]! >> group) & 1
          out[to + i] = d * scale * (fourBits(bytes, at + 48, i) | (fifth << 4)) - dmin * min
        }
      }
    },
  ],
  // value = d * scale * (q - 32) of 16 values; q has 4 bits and 2 more, scale 8 with a sign
  Q6_K: [
    210,
    (bytes, at, out, to, half) => {
      const d = half(bytes, at + 208)
      for (let i = 0; i < 256; i++) {
        const [part, j] = [i >> 7, i & 127]
        const low = (bytes[at + 64 * part + (j & 63)]! >> (j < 64 ? 0 : 4)) & 15
        const high = (bytes[at + 128 + 32 * part + (j & 31)]! >> (2 * (j >> 5))) & 3
        const scale = (bytes[at + 192 + (i >> 4)]! << 24) >> 24
        out[to + i] = d * scale * ((low | (high << 4)) - 32)
      }
    },
  ],
}

/** 32 bytes hold 128 values; a byte holds those that are 32 apart. */
function twoBits(bytes: Uint8Array, at: number, i: number): number {
  return (bytes[at + 32 * (i >> 7) + (i & 31)]! >> (2 * ((i >> 5) & 3))) & 3
}

/** 32 bytes hold 64 values; a byte holds those that are 32 apart. */
function fourBits(bytes: Uint8Array, at: number, i: number): number {
  return (bytes[at + 32 * (i >> 6) + (i & 31)]! >> (4 * ((i >> 5) & 1))) & 15
}

/**
 * 12 bytes hold 8 scales and 8 minima of 6 bits. The upper two bits of the last four of each are in the bytes
 * of the first four.
 */
function scaleAndMin(bytes: Uint8Array, at: number, group: number): [number, number] {
  if (group < 4) return [bytes[at + group]! & 63, bytes[at + 4 + group]! & 63]
  const both = bytes[at + 4 + group]!
  return [(both & 15) | ((bytes[at + group - 4]! >> 2) & 48), (both >> 4) | ((bytes[at + group]! >> 2) & 48)]
}
