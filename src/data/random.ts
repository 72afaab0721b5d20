import { uniformStream } from '../tensor/uniform-stream'

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
