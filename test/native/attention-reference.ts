/** Attention as written in a book, in float64: what native/core/ops.inc promises, query by query. */
export interface Problem {
  q: ArrayLike<number>
  k: ArrayLike<number>
  v: ArrayLike<number>
  dout: ArrayLike<number>
  queries: number[]
  keys: number[]
  heads: number
  kvHeads: number
  dim: number
  scale: number
  window: number
  /** Default: 0, none. */
  softcap?: number
}

/** Calls visit once per query and head, with the offsets of its vectors and the softmax over the keys it sees. */
function eachQuery(
  p: Problem,
  visit: (
    q: number,
    keys: number[],
    weights: number[],
    lse: number,
    lseIndex: number,
    slopes: number[],
  ) => void,
): void {
  const tokens = p.queries.reduce((a, b) => a + b, 0)
  let [q0, k0] = [0, 0]
  for (let s = 0; s < p.queries.length; s++) {
    const [nq, nk] = [p.queries[s]!, p.keys[s]!]
    for (let i = 0; i < nq; i++) {
      for (let h = 0; h < p.heads; h++) {
        const q = ((q0 + i) * p.heads + h) * p.dim
        const kvHead = Math.floor((h * p.kvHeads) / p.heads)
        const last = i + nk - nq
        const keys: number[] = []
        for (let j = Math.max(0, p.window > 0 ? last - p.window + 1 : 0); j <= last; j++)
          keys.push(((k0 + j) * p.kvHeads + kvHead) * p.dim)
        const { softcap: cap = 0 } = p
        const plain = keys.map((k) => p.scale * dot(p.q, q, p.k, k, p.dim))
        const scores = plain.map((x) => (cap ? cap * Math.tanh(x / cap) : x))
        const most = Math.max(...scores)
        const total = scores.reduce((t, x) => t + Math.exp(x - most), 0)
        const lse = keys.length ? most + Math.log(total) : -Infinity
        visit(
          q,
          keys,
          scores.map((x) => Math.exp(x - lse)),
          lse,
          h * tokens + q0 + i,
          scores.map((x) => (cap ? 1 - (x / cap) ** 2 : 1)),
        )
      }
    }
    q0 += nq
    k0 += nk
  }
}

function dot(a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number, n: number): number {
  let total = 0
  for (let d = 0; d < n; d++) total += a[i + d]! * b[j + d]!
  return total
}

/** y[at ..] += factor * x[from ..] */
function addTo(
  y: Float64Array,
  at: number,
  factor: number,
  x: ArrayLike<number>,
  from: number,
  n: number,
): void {
  for (let d = 0; d < n; d++) y[at + d]! += factor * x[from + d]!
}

export function forward(p: Problem): { out: Float64Array; lse: Float64Array } {
  const out = new Float64Array(p.q.length)
  const lse = new Float64Array(p.q.length / p.dim)
  eachQuery(p, (q, keys, weights, logSum, index) => {
    keys.forEach((k, j) => addTo(out, q, weights[j]!, p.v, k, p.dim))
    lse[index] = logSum
  })
  return { out, lse }
}

export function backward(p: Problem): { dq: Float64Array; dk: Float64Array; dv: Float64Array } {
  const dq = new Float64Array(p.q.length)
  const dk = new Float64Array(p.k.length)
  const dv = new Float64Array(p.k.length)
  eachQuery(p, (q, keys, weights, _lse, _index, slopes) => {
    const dweights = keys.map((k) => dot(p.dout, q, p.v, k, p.dim))
    const delta = weights.reduce((t, w, j) => t + w * dweights[j]!, 0)
    keys.forEach((k, j) => {
      const dscore = weights[j]! * (dweights[j]! - delta) * slopes[j]! * p.scale
      addTo(dv, k, weights[j]!, p.dout, q, p.dim)
      addTo(dq, q, dscore, p.k, k, p.dim)
      addTo(dk, k, dscore, p.q, q, p.dim)
    })
  })
  return { dq, dk, dv }
}
