import type { BatchSize } from './batch'

/** What becomes of a tensor between forward and backward. 'offload': it waits in page-locked host memory. */
export type Retention = 'keep' | 'offload' | 'recompute'

/** The tensors of one layer that backward needs. What is recomputed is made from x, and from what else is at hand. */
export interface LayerPlan {
  /** Input of the layer [T, hidden]. */
  x: Exclude<Retention, 'recompute'>
  /** q, k, v after rotation, or before a norm of q and k, [T, heads * head_dim + 2 * kv_heads * head_dim]. */
  qkv: Retention
  /** The heads' output [T, heads * head_dim] and lse float32 [heads, T]. */
  attention: Retention
  /** x + o_proj(heads) [T, hidden] */
  attnResidual: Retention
  /** gate and up [T, 2 * intermediate]. down_proj is never recomputed: its output is the next layer's input. */
  mlp: Retention
}

/** How a training pass uses memory. Every plan gives the same bits, but for `mlpRows`: sums over tiles round differently. */
export interface MemoryPlan {
  /** By the layer's index. */
  layers: readonly LayerPlan[]
  /** Tokens that go through an MLP at a time; undefined: all. */
  mlpRows?: number
  /**
   * false: offloaded tensors come back when their layer's backward begins, not while the layer above runs: less memory, and
   * the copies are waited for. Default: true.
   */
  prefetch?: boolean
  /** Where the embedding's table is; a training run moves it there. Default: the device. */
  embedding?: 'host' | 'device'
}

/** The plans of a run whose batches differ in size. */
export class MemoryPlans {
  /** Ascending by size. */
  constructor(private readonly classes: readonly { size: BatchSize; plan: MemoryPlan }[]) {}

  /** The plan of the smallest size that holds the batch, else the largest's. */
  planFor({ tokens, sequences, longest }: BatchSize): MemoryPlan {
    const holds = ({ size }: { size: BatchSize }): boolean =>
      size.tokens >= tokens && size.sequences >= sequences && size.longest >= longest
    return (this.classes.find(holds) ?? this.classes.at(-1)!).plan
  }
}

/** Keeps what costs a product of the layer's larger matrices; the attnResidual costs the smallest for what it frees. */
export const keepProducts: LayerPlan = {
  x: 'keep',
  qkv: 'keep',
  attention: 'keep',
  attnResidual: 'recompute',
  mlp: 'keep',
}

/** Keeps the layer's input: gradient checkpointing. */
export const keepInput: LayerPlan = {
  x: 'keep',
  qkv: 'recompute',
  attention: 'recompute',
  attnResidual: 'recompute',
  mlp: 'recompute',
}

/** The same plan for each of n layers. */
export function uniformPlan(layer: LayerPlan, n: number): MemoryPlan {
  return { layers: Array.from({ length: n }, () => layer) }
}
