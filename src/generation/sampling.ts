/** How the next token is chosen from its logits. */
export interface SamplingOptions {
  /** false: the most probable token. */
  do_sample: boolean
  temperature: number
  /** 0 = off. */
  top_k: number
  /** 1 = off. */
  top_p: number
  /** 1 = off; above 1 makes tokens already seen less likely (Keskar et al. 2019). */
  repetition_penalty: number
}

/** Index of the largest value, the first among equals. */
function argmax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

/** Indices of the `count` largest values, largest first, equal ones in their order. */
function largest(values: Float32Array, count: number): number[] {
  // Sorting a whole vocabulary takes tens of milliseconds, more than the model's step.
  const floor = count < values.length ? leastOfLargest(values, count) : -Infinity
  const order: number[] = []
  for (let i = 0; i < values.length; i++) if (!(values[i]! < floor)) order.push(i)
  return order.sort((a, b) => values[b]! - values[a]!).slice(0, count)
}

/** The smallest of the `count` largest values, by a heap of them with the smallest at its root. */
function leastOfLargest(values: Float32Array, count: number): number {
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

/** Changes `logits` in place and returns the chosen token; `uniform` is a draw from [0, 1). Order as in transformers. */
export function chooseToken(
  logits: Float32Array,
  seen: Iterable<number>,
  o: SamplingOptions,
  uniform: () => number,
): number {
  if (o.repetition_penalty !== 1) penalize(logits, new Set(seen), o.repetition_penalty)
  if (!o.do_sample) return argmax(logits)
  let kept = largest(logits, o.top_k > 0 ? o.top_k : logits.length)
  let probabilities = softmax(kept.map((i) => logits[i]! / o.temperature))
  if (o.top_p < 1) {
    let sum = 0
    // The token that crosses top_p stays in.
    const crossing = probabilities.findIndex((p) => (sum += p) >= o.top_p)
    kept = kept.slice(0, crossing === -1 ? kept.length : crossing + 1)
    probabilities = softmax(kept.map((i) => logits[i]! / o.temperature))
  }
  let rest = uniform()
  const drawn = probabilities.findIndex((p) => (rest -= p) < 0)
  return kept[drawn === -1 ? kept.length - 1 : drawn]!
}

function penalize(logits: Float32Array, seen: Set<number>, penalty: number): void {
  for (const id of seen) {
    const value = logits[id]!
    logits[id] = value < 0 ? value * penalty : value / penalty
  }
}

/** Of values sorted from large to small. */
function softmax(sorted: number[]): number[] {
  const exps = sorted.map((v) => Math.exp(v - sorted[0]!))
  const total = exps.reduce((a, b) => a + b, 0)
  return exps.map((e) => e / total)
}
