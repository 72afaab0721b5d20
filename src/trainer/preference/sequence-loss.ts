// Functions that the losses of sequences share.

export const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z))

/** log sigmoid(z); accurate even where the sigmoid rounds to 0 or 1. */
export const logSigmoid = (z: number): number => Math.min(z, 0) - Math.log1p(Math.exp(-Math.abs(z)))

export function meanOf(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}

/** The derivative for each target: that of its sequence's sum, times `scale`. */
export function perSequence(slopes: readonly number[], cu_seqlens: Int32Array, scale: number): Float32Array {
  const out = new Float32Array(cu_seqlens.at(-1)!)
  slopes.forEach((slope, s) => out.fill(slope * scale, cu_seqlens[s], cu_seqlens[s + 1]))
  return out
}
