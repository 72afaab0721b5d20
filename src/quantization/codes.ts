/** The values of the 16 4-bit codes, by code. A stored value is its code's value times the maximum of its block. */
export const code4bit: Readonly<Record<'nf4' | 'fp4', Float32Array>> = {
  nf4: Float32Array.of(
    ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453],
    ...[-0.28444138169288635, -0.18477343022833334, -0.09105003625154495, 0],
    ...[0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
    ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
  ),
  // One sign bit, then a magnitude that does not grow with its bits.
  fp4: Float32Array.from(
    [1, -1].flatMap((sign) => [0, 0.0625, 8, 12, 4, 6, 2, 3].map((m) => (sign * m) / 12)),
  ),
}

/**
 * bitsandbytes' 256-entry dynamic 8-bit map, bit for bit: for each power of ten, 10^-6 to 1, the midpoints of equal cells on
 * [0.1, 1], twice as many cells at each; then 0 and 1. Signed maps hold the negatives too, with half the cells.
 */
export function dynamicMap(signed: boolean): Float32Array {
  const values = [0, 1]
  for (let i = 0; i < 7; i++) {
    const scale = Math.fround(10 ** (i - 6))
    for (const midpoint of cellMidpoints(2 ** (signed ? i : i + 1))) {
      const value = Math.fround(midpoint * scale)
      values.push(value)
      if (signed) values.push(-value)
    }
  }
  return Float32Array.from(values).sort()
}

/** Midpoints of n equal cells on [0.1, 1]; the ends are torch's float32 `linspace`, fused multiply-add included. */
function cellMidpoints(n: number): number[] {
  const start = Math.fround(0.1)
  const step = Math.fround(Math.fround(1 - start) / n)
  // The products are exact in float64, so the one rounding to float32 is that of an fma.
  const end = (j: number): number =>
    Math.fround(j < Math.floor((n + 1) / 2) ? step * j + start : 1 - step * (n - j))
  return Array.from({ length: n }, (_, j) => Math.fround(Math.fround(end(j) + end(j + 1)) / 2))
}
