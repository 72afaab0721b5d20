import type { GgufValue } from '../files/gguf-header'
import { modulesOf, type Blueprint } from './blueprint'

/** Checkpoint keys of a model's tensors by their names in a GGUF file. */
export function checkpointKeys(blueprint: Blueprint): Map<string, string> {
  const kinds = ['weight', 'bias']
  return new Map(
    modulesOf(blueprint).flatMap((module) => {
      const hasBias = module.kind === 'linear' && module.bias
      return kinds
        .slice(0, hasBias ? 2 : 1)
        .map((kind): [string, string] => [`${module.gguf}.${kind}`, `${module.key}.${kind}`])
    }),
  )
}

/**
 * Restores the Hugging Face order of the rows of a q or k projection, in a new array. llama.cpp interleaves the
 * two halves of each head (rows 0, d/2, 1, d/2 + 1, ...), so that RoPE rotates neighbours. Here row h*d +
 * i*(d/2) + j comes from row h*d + 2j + i, with d rows per head. `columns` is 1 for a bias.
 */
export function unpermuteRows(
  values: Float32Array,
  rows: number,
  columns: number,
  heads: number,
): Float32Array {
  const perHead = rows / heads
  const half = perHead / 2
  if (!Number.isInteger(half))
    throw new Error(`[unpermuteRows] ${rows} rows do not divide into ${heads} even heads`)
  const out = new Float32Array(values.length)
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < perHead; row++) {
      const from = (head * perHead + 2 * (row % half) + Math.floor(row / half)) * columns
      out.set(values.subarray(from, from + columns), (head * perHead + row) * columns)
    }
  }
  return out
}

/** A metadata value that must be a number. */
export function ggufNumber(metadata: Record<string, GgufValue>, key: string): number {
  const value = metadata[key]
  if (typeof value !== 'number') {
    throw new Error(
      `GGUF metadata '${key}' is ${value === undefined ? 'missing' : typeof value}; expected a number`,
    )
  }
  return value
}

/** The shortest decimal that gives the same fp32 number: 1e-5, not 9.99999974e-6. */
export function shortestFloat32(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}

/** For each row of a q or k projection in a GGUF file, its row in the checkpoint; see `unpermuteRows`. */
export function interleavedRows(rows: number, heads: number): number[] {
  const perHead = rows / heads
  const half = perHead / 2
  return Array.from({ length: rows }, (_, row) => {
    const at = row % perHead
    return row - at + (at % 2) * half + Math.floor(at / 2)
  })
}
