import type { Activation } from '../nn/mlp'
import type { NormTraits } from '../nn/rms-norm'
import type { RopeParameters } from '../nn/rope-frequencies'

// The description of a decoder. A family (families.ts) makes it from a configuration, and everything that needs
// a model's modules reads it: loading, the planner's model without values, slots for adapters, counts, GGUF
// names, time estimates.

interface Named {
  /** Path as in the checkpoint, e.g. `model.layers.0.self_attn.q_proj`. */
  key: string
  /** Name in a GGUF file, e.g. `blk.0.attn_q`. */
  gguf: string
}

export interface LinearModule extends Named {
  kind: 'linear'
  inFeatures: number
  outFeatures: number
  bias: boolean
  /** Identifies the tensor that the module reads; modules with the same input have the same value. */
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
  /** Factor of the rows. Default: 1. */
  scale?: number | undefined
  /** Whether the factor is rounded to the table's dtype first. Default: no. */
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
  /** The number of keys that a query sees, including its own; 0 = all. */
  window: number
  /** null: positions are not encoded. */
  rope: RopeParameters | null
  /** Factor of the products of queries and keys; undefined: 1 / sqrt(headDim). */
  attentionScale?: number | undefined
  /** Factor of the outputs of attention and MLP before they are added; undefined: 1. */
  residualScale?: number | undefined
  /** Scores become softcap * tanh(score / softcap); undefined: no cap. */
  attentionSoftcap?: number | undefined
  /** The activation of the MLP's gate. */
  activation: Activation
}

export interface Blueprint {
  embedding: EmbeddingModule
  layers: readonly LayerBlueprint[]
  norm: NormModule
  head: LinearModule
  /** Whether the head uses the embedding's weight. */
  tied: boolean
  /** Logits become softcap * tanh(logits / softcap); undefined: no cap. */
  logitSoftcap?: number | undefined
}

/** All modules that have weights of their own, in order; without the head if it is tied. */
export function modulesOf({ embedding, layers, norm, head, tied }: Blueprint): Module[] {
  return [embedding, ...layers.flatMap(({ modules }) => modules), norm, ...(tied ? [] : [head])]
}

/** Shape of a module's weight; a bias has its first dimension. */
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

/** Number of values in all weights and biases; a 4-bit weight counts its values before quantization. */
export function parameterCount(blueprint: Blueprint): number {
  const numel = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1)
  return Object.values(tensorShapes(blueprint)).reduce((n, shape) => n + numel(shape), 0)
}
