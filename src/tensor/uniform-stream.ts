/**
 * Uniform random numbers in [0, 1) from a seed (mulberry32), on the host. Orders of rows use it, so they depend only on
 * the seed; they are not NumPy's or torch's orders. Dropout uses another generator (Philox), which GPUs share.
 */
export function uniformStream(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
