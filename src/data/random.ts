/**
 * Uniform random numbers in [0, 1) from a seed (mulberry32). Orders of rows use it, so they depend only on the
 * seed; they are not NumPy's or torch's orders. Dropout uses another generator (Philox), which GPUs share.
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

/** A random order of 0 ... n-1 (Fisher-Yates), the same for the same seed. */
export function permutation(n: number, seed: number): number[] {
  const order = Array.from({ length: n }, (_, i) => i)
  const uniform = uniformStream(seed)
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1))
    const held = order[i] ?? 0
    order[i] = order[j] ?? 0
    order[j] = held
  }
  return order
}
