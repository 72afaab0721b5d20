import { argmax, largest, leastOfLargest } from './select'
import type { LogitsProcessor } from './processors'

// Rules for sampling: each removes tokens by giving them the score minus infinity. `keep`: number of most
// probable tokens that always stay. The rules are those of transformers' ...LogitsWarper classes in
// generation/logits_process.py.

export function temperature(value: number): LogitsProcessor {
  return (_, scores) => {
    for (let i = 0; i < scores.length; i++) scores[i]! /= value
  }
}

/** The remaining tokens with their probabilities. */
function distribution(scores: Float32Array): { ids: number[]; p: Float64Array; entropy: number } {
  const ids: number[] = []
  let most = -Infinity
  for (let i = 0; i < scores.length; i++) {
    if (scores[i] === -Infinity) continue
    ids.push(i)
    if (scores[i]! > most) most = scores[i]!
  }
  const p = Float64Array.from(ids, (id) => Math.exp(scores[id]! - most))
  const total = p.reduce((a, b) => a + b, 0)
  let entropy = 0
  for (let i = 0; i < p.length; i++) {
    p[i]! /= total
    if (p[i]! > 0) entropy -= p[i]! * Math.log(p[i]!)
  }
  return { ids, p, entropy }
}

/** Removes the tokens of `ids` for which `removed` is true, except the `keep` most probable ones. */
function remove(
  scores: Float32Array,
  ids: readonly number[],
  keep: number,
  removed: (i: number) => boolean,
): void {
  const floor = keep === 1 ? scores[argmax(scores)]! : leastOfLargest(scores, keep)
  ids.forEach((id, i) => {
    if (removed(i) && scores[id]! < floor) scores[id] = -Infinity
  })
}

/**
 * Keeps the most probable tokens whose entropy terms add up to `share` of the entropy of the 100 most probable
 * ones.
 */
export function topH(share: number): LogitsProcessor {
  return (_, scores) => {
    const order = largest(scores, Math.min(100, scores.length))
    const top = Float32Array.from(order, (id) => scores[id]!)
    const { p, entropy } = distribution(top)
    let sum = 0
    const kept = order.filter((_id, i) => {
      const probability = p[i] ?? 0
      if (probability > 0) sum -= probability * Math.log(probability)
      return i === 0 || sum <= entropy * share
    })
    const values = kept.map((id) => scores[id]!)
    scores.fill(-Infinity)
    kept.forEach((id, i) => (scores[id] = values[i]!))
  }
}

/** Keeps the tokens that are at least as probable as the k-th. */
export function topK(k: number, keep: number): LogitsProcessor {
  return (_, scores) => {
    const count = Math.max(k, keep)
    if (count >= scores.length) return
    const floor = leastOfLargest(scores, count)
    for (let i = 0; i < scores.length; i++) if (scores[i]! < floor) scores[i] = -Infinity
  }
}

/** Removes the least probable tokens whose probabilities add up to at most 1 - mass. */
export function topP(mass: number, keep: number): LogitsProcessor {
  return (_, scores) => {
    const { ids, p } = distribution(scores)
    const order = Array.from(p.keys()).sort((a, b) => p[a]! - p[b]!)
    let sum = 0
    for (const i of order.slice(0, Math.max(0, order.length - keep))) {
      sum += p[i]!
      if (sum > 1 - mass) break
      scores[ids[i]!] = -Infinity
    }
  }
}

/** Removes the tokens that are less probable than `share` of the most probable one. */
export function minP(share: number, keep: number): LogitsProcessor {
  return (_, scores) => {
    const { ids, p } = distribution(scores)
    const floor = share * p.reduce((a, b) => Math.max(a, b), 0)
    remove(scores, ids, keep, (i) => p[i]! < floor)
  }
}

/**
 * Keeps the tokens whose surprise is nearest to the entropy, until their probabilities add up to `mass`
 * (Meister et al. 2022).
 */
export function typical(mass: number, keep: number): LogitsProcessor {
  return (_, scores) => {
    const { ids, p, entropy } = distribution(scores)
    const shift = Array.from(p, (probability) => Math.abs(-Math.log(probability) - entropy))
    const order = Array.from(p.keys()).sort((a, b) => shift[a]! - shift[b]!)
    let sum = 0
    const last = order.findIndex((i) => (sum += p[i]!) >= mass)
    const most = shift[order[last === -1 ? order.length - 1 : last]!]!
    order.forEach((i, rank) => {
      if (rank >= keep && shift[i]! > most) scores[ids[i]!] = -Infinity
    })
  }
}

export function epsilonCutoff(epsilon: number, keep: number): LogitsProcessor {
  return (_, scores) => {
    const { ids, p } = distribution(scores)
    remove(scores, ids, keep, (i) => p[i]! < epsilon)
  }
}

/** The floor is min(epsilon, sqrt(epsilon) * exp(-entropy)) (Hewitt et al. 2022). */
export function etaCutoff(epsilon: number, keep: number): LogitsProcessor {
  return (_, scores) => {
    const { ids, p, entropy } = distribution(scores)
    const eta = Math.min(epsilon, Math.sqrt(epsilon) * Math.exp(-entropy))
    remove(scores, ids, keep, (i) => p[i]! < eta)
  }
}
