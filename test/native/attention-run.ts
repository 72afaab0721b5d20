import { addon } from '../../src/native/addon'
import type { FloatDType } from '../../src/tensor/dtype'
import { Tensor } from '../../src/tensor/tensor'
import type { Problem } from './attention-reference'

export interface Case {
  queries: number[]
  /** Default: the same list as queries; only then is there a backward. */
  keys?: number[]
  heads?: number
  kvHeads?: number
  dim?: number
  window?: number
  softcap?: number
  dtype?: FloatDType
}

export type Inputs = Pick<Problem, 'q' | 'k' | 'v' | 'dout'>

export interface Result {
  /** Inputs as stored, so that rounding them counts as nobody's error. */
  problem: Problem
  out: Float32Array
  lse: Float32Array
  dq: Float32Array
  dk: Float32Array
  dv: Float32Array
}

/** Deterministic, roughly normal numbers. */
export function randoms(n: number, seed: number): Float32Array {
  let state = seed * 1000003
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  return Float32Array.from({ length: n }, () => 1.7 * (next() + next() + next() + next() - 2))
}

export function cumulative(lengths: readonly number[]): Tensor {
  const sums = [0]
  for (const n of lengths) sums.push(sums[sums.length - 1]! + n)
  return Tensor.from(Int32Array.from(sums))
}

const guard = 64

/** An output full of NaN inside a larger tensor full of NaN: a missing write shows, and one past the end too. */
class Output {
  private readonly whole: Tensor
  readonly tensor: Tensor

  constructor(shape: readonly number[], dtype: FloatDType) {
    const n = shape.reduce((a, b) => a * b, 1)
    this.whole = Tensor.from(new Float32Array(n + 2 * guard).fill(NaN), { dtype })
    this.tensor = this.whole.view(shape, guard)
  }

  async read(): Promise<Float32Array> {
    const all = await this.whole.data()
    this.whole.dispose()
    for (let i = 0; i < guard; i++)
      if (!Number.isNaN(all[i]) || !Number.isNaN(all[all.length - 1 - i])) throw new Error('written outside')
    return all.slice(guard, all.length - guard)
  }
}

/** Runs both directions on the device. */
export async function run(c: Case, inputs?: Inputs): Promise<Result> {
  const { queries, keys = queries, heads = 4, kvHeads = 2, dim = 16, window = 0, softcap = 0 } = c
  const { dtype = 'float32' } = c
  const [cuQ, cuK] = [cumulative(queries), cumulative(keys)]
  const tokens = (lengths: number[]): number => lengths.reduce((a, b) => a + b, 0)
  const qShape = [tokens(queries), heads * dim]
  const kShape = [tokens(keys), kvHeads * dim]
  const input = (shape: number[], seed: number, given?: ArrayLike<number>): Tensor =>
    Tensor.from(given ?? randoms(shape[0]! * shape[1]!, seed), { shape, dtype })
  const q = input(qShape, 1, inputs?.q)
  const k = input(kShape, 2, inputs?.k)
  const v = input(kShape, 3, inputs?.v)
  const dout = input(qShape, 4, inputs?.dout)
  const out = new Output(qShape, dtype)
  const lse = new Output([heads, qShape[0]!], 'float32')
  const [dq, dk, dv] = [new Output(qShape, dtype), new Output(kShape, dtype), new Output(kShape, dtype)]
  const scale = 1 / Math.sqrt(dim)
  const longest = Math.max(0, ...queries)
  const call = (name: 'attention_forward' | 'attention_backward', ...list: (Tensor | Output)[]): void => {
    const more = name === 'attention_forward' ? [longest] : [longest, false]
    const handles = list.map((t) => (t instanceof Output ? t.tensor : t).handle)
    const operation = addon()[name] as (...args: unknown[]) => void
    operation(...handles, heads, kvHeads, scale, window, softcap, ...more)
  }
  call('attention_forward', q, k, v, cuQ, cuK, out, lse)
  if (keys === queries) call('attention_backward', dout, q, k, v, out, lse, cuQ, dq, dk, dv)

  const stored = async (t: Tensor): Promise<Float32Array> => await t.data()
  const problem = {
    ...{ q: await stored(q), k: await stored(k), v: await stored(v), dout: await stored(dout) },
    ...{ queries, keys, heads, kvHeads, dim, scale, window, softcap },
  }
  for (const t of [q, k, v, dout, cuQ, cuK]) t.dispose()
  const [o, l, a, b, d] = await Promise.all([out, lse, dq, dk, dv].map((output) => output.read()))
  return { problem, out: o!, lse: l!, dq: a!, dk: b!, dv: d! }
}
