import type { BatchSize } from './batch'

/** Where a tensor is between forward and backward. 'offload': in page-locked host memory. */
export type Retention = 'keep' | 'offload' | 'recompute'

/** The tensors of one layer that backward needs. Recomputing starts from x and from whatever else is available. */
export interface LayerPlan {
  /** Input of the layer [T, hidden]. */
  x: Exclude<Retention, 'recompute'>
  /** q, k, v after rotation (before it, if q and k have norms) [T, heads * head_dim + 2 * kv_heads * head_dim]. */
  qkv: Retention
  /** The attention output [T, heads * head_dim] and lse float32 [heads, T]. */
  attention: Retention
  /** x + o_proj(heads) [T, hidden] */
  attnResidual: Retention
  /** gate and up [T, 2 * intermediate]. down_proj is never recomputed: its output is the next layer's input. */
  mlp: Retention
}

/**
 * How a training pass uses memory. All plans give the same bits, except for `mlpRows`: sums over tiles round
 * differently.
 */
export interface MemoryPlan {
  /** By the layer's index. */
  layers: readonly LayerPlan[]
  /** Rows per MLP tile; undefined: all in one. */
  mlpRows?: number
  /**
   * false: offloaded tensors are copied back when their layer's backward begins, not while the layer above
   * runs. This needs less memory, but the copies are waited for. Default: true.
   */
  prefetch?: boolean
  /** Where the embedding's table is; a training run moves it there. Default: the device. */
  embedding?: 'host' | 'device'
}

/** The plans of a run whose batches have different sizes. */
export class MemoryPlans {
  /** `classes` in ascending order of size. */
  constructor(private readonly classes: readonly { size: BatchSize; plan: MemoryPlan }[]) {}

  /** The plan of the smallest class that the batch fits into, else that of the largest. */
  planFor({ tokens, sequences, longest }: BatchSize): MemoryPlan {
    const holds = ({ size }: { size: BatchSize }): boolean =>
      size.tokens >= tokens && size.sequences >= sequences && size.longest >= longest
    return (this.classes.find(holds) ?? this.classes.at(-1)!).plan
  }
}

/**
 * Keeps what the layer's larger products give; recomputes attnResidual, whose product is the smallest for the
 * memory that it frees.
 */
export const keepProducts: LayerPlan = {
  x: 'keep',
  qkv: 'keep',
  attention: 'keep',
  attnResidual: 'recompute',
  mlp: 'keep',
}

/** Keeps only the layer's input: gradient checkpointing. */
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
