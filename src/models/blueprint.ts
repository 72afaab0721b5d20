import type { Activation } from '../nn/mlp'
import type { NormTraits } from '../nn/rms-norm'
import type { RopeParameters } from '../nn/rope-frequencies'

// What a decoder consists of. A family (families.ts) makes this description from a configuration; whatever needs to know a
// model's modules reads it: loading, the planner's model without values, slots of adapters, counts, GGUF names, time estimates.

interface Named {
  /** Path as in the checkpoint, e.g. `model.layers.0.self_attn.q_proj`. */
  key: string
  /** The same in a GGUF file, e.g. `blk.0.attn_q`. */
  gguf: string
}

export interface LinearModule extends Named {
  kind: 'linear'
  inFeatures: number
  outFeatures: number
  bias: boolean
  /** Modules that read the same tensor have the same word here. */
  reads: string
  /** Whether a quantization config applies to it. */
  quantizable: boolean
}

/** Weight [size]: x / sqrt(mean(x^2) + eps) * weight. */
export interface NormModule extends Named, NormTraits {
  kind: 'rms_norm'
  size: number
  eps: number
}

/** Weight [rows, columns]. */
export interface EmbeddingModule extends Named {
  kind: 'embedding'
  rows: number
  columns: number
  /** The rows are taken times this. Default: 1. */
  scale?: number | undefined
  /** Whether that number is rounded to the table's dtype first. Default: no. */
  roundsScale?: boolean | undefined
}

export type Module = LinearModule | NormModule | EmbeddingModule

export interface LayerBlueprint {
  /** Path of the layer, e.g. `model.layers.0`. */
  prefix: string
  /** In the order of the checkpoint. */
  modules: readonly Module[]
  heads: number
  kvHeads: number
  headDim: number
  /** Keys that a query sees, its own included; 0 = all. */
  window: number
  /** null: positions are not encoded. */
  rope: RopeParameters | null
  /** Of the products of queries and keys; undefined: 1 / sqrt(headDim). */
  attentionScale?: number | undefined
  /** What attention and MLP give is added times this; undefined: 1. */
  residualScale?: number | undefined
  /** Scores are softcap * tanh(score / softcap); undefined: as they are. */
  attentionSoftcap?: number | undefined
  /** Of the MLP's gate. */
  activation: Activation
}

export interface Blueprint {
  embedding: EmbeddingModule
  layers: readonly LayerBlueprint[]
  norm: NormModule
  head: LinearModule
  /** The head's weight is the embedding's. */
  tied: boolean
  /** Logits are softcap * tanh(logits / softcap); undefined: as they are. */
  logitSoftcap?: number | undefined
}

/** All modules that have weights of their own, in order: without the head where it is tied. */
export function modulesOf({ embedding, layers, norm, head, tied }: Blueprint): Module[] {
  return [embedding, ...layers.flatMap(({ modules }) => modules), norm, ...(tied ? [] : [head])]
}

/** Shape of a module's weight; a bias has the first of the numbers. */
export function weightShape(module: Module): number[] {
  if (module.kind === 'rms_norm') return [module.size]
  if (module.kind === 'embedding') return [module.rows, module.columns]
  return [module.outFeatures, module.inFeatures]
}

/** Shapes of all tensors of a checkpoint that is not quantized, by checkpoint key. */
export function tensorShapes(blueprint: Blueprint): Record<string, number[]> {
  return Object.fromEntries(
    modulesOf(blueprint).flatMap((module) => {
      const shape = weightShape(module)
      const weight: [string, number[]] = [`${module.key}.weight`, shape]
      const hasBias = module.kind === 'linear' && module.bias
      return hasBias ? [weight, [`${module.key}.bias`, [shape[0]!]] as [string, number[]]] : [weight]
    }),
  )
}

/** Numbers in all weights and biases; those in 4 bits count as the ones they stand for. */
export function parameterCount(blueprint: Blueprint): number {
  const numel = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1)
  return Object.values(tensorShapes(blueprint)).reduce((n, shape) => n + numel(shape), 0)
}
