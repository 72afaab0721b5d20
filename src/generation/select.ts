// Finds the largest values and draws tokens without sorting a vocabulary, which takes tens of milliseconds,
// more than a step.

/** Index of the largest value, the first of equal ones. */
export function argmax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

/** Indices of the `count` largest values in descending order; equal ones keep their order. */
export function largest(values: Float32Array, count: number): number[] {
  const floor = count < values.length ? leastOfLargest(values, count) : -Infinity
  const order: number[] = []
  for (let i = 0; i < values.length; i++) if (!(values[i]! < floor)) order.push(i)
  return order.sort((a, b) => values[b]! - values[a]!).slice(0, count)
}

/** The smallest of the `count` largest values, found with a heap whose root is the smallest. */
export function leastOfLargest(values: Float32Array, count: number): number {
  const heap = values.slice(0, count).sort()
  for (let i = count; i < values.length; i++) {
    const value = values[i]!
    if (!(value > heap[0]!)) continue
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child + 1 < count && heap[child + 1]! < heap[child]!) child++
      if (child >= count || !(heap[child]! < value)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = value
  }
  return heap[0]!
}

/**
 * Draws `count` different indices, each with the softmax probabilities of the remaining values; `uniform` draws
 * from [0, 1).
 * @throws Error when fewer values are above minus infinity, or one is NaN.
 */
export function draw(values: Float32Array, count: number, uniform: () => number): number[] {
  let most = -Infinity
  for (const value of values) {
    if (Number.isNaN(value))
      throw new Error('[generate] a score is NaN; remove_invalid_values: true sets it to 0')
    if (value > most) most = value
  }
  const candidates: number[] = []
  for (let i = 0; i < values.length; i++) if (values[i] !== -Infinity) candidates.push(i)
  if (candidates.length < count)
    throw new Error(`[generate] the rules leave ${candidates.length} tokens; ${count} have to be drawn`)
  const weights = candidates.map((i) => Math.exp(values[i]! - most))
  return Array.from({ length: count }, () => {
    const total = weights.reduce((a, b) => a + b, 0)
    let rest = uniform() * total
    const found = weights.findIndex((w) => w > 0 && (rest -= w) < 0)
    // Because of rounding the sum may not be reached; then the last one is meant. Weights that are all zero in
    // float64 count as equal.
    const at = found === -1 ? Math.max(0, lastAboveZero(weights)) : found
    weights.splice(at, 1)
    return candidates.splice(at, 1)[0]!
  })
}

function lastAboveZero(weights: readonly number[]): number {
  for (let i = weights.length - 1; i >= 0; i--) if (weights[i]! > 0) return i
  return -1
}
