import type { BatchSize } from '../models/batch'
import type { LayerBlueprint } from '../models/blueprint'
import type { DescribedTensor } from '../native/contract'
import type { DType } from '../tensor/dtype'
import { blueprintOf } from '../models/families'
import { resultDtype } from './costs'
import type { StepShape } from './dry-run'
import type { Machine } from './machine'

/** Batches of similar size that share one plan. */
export interface SizeClass {
  /** The smallest size that covers each of them. */
  size: BatchSize
  /**
   * Those of them that can have the highest peak: no other batch is larger in everything that a peak depends
   * on. The largest first.
   */
  highest: readonly BatchSize[]
}

/**
 * The size classes that occur, in ascending order. Each of `shares` of the largest batch's tokens is the upper
 * bound of one.
 */
export function sizeClasses(
  sizes: readonly BatchSize[],
  shares: readonly number[],
  step: StepShape,
  machine: Machine,
): SizeClass[] {
  const largest = most(sizes, 'tokens')
  const limits = shares.map((share) => share * largest)
  const members = limits.map((limit, i) =>
    sizes.filter(({ tokens }) => tokens <= limit && tokens > (limits[i - 1] ?? -1)),
  )
  return members
    .filter((some) => some.length > 0)
    .map((some) => ({ size: holding(some), highest: highest(some, step, machine) }))
}

/** The smallest size that covers each of `sizes`. */
export function holding(sizes: readonly BatchSize[]): BatchSize {
  const [tokens, sequences, longest] = (['tokens', 'sequences', 'longest'] as const).map((key) =>
    most(sizes, key),
  ) as [number, number, number]
  return { tokens, sequences, longest }
}

function most(sizes: readonly BatchSize[], key: keyof BatchSize): number {
  return sizes.reduce((n, size) => Math.max(n, size[key]), 0)
}

/**
 * The batches that can have the highest peak. A peak grows with the batch's tokens, with its predicted tokens,
 * and with attention's scratch memory; the last depends on how the batch is cut into sequences and can be lower
 * for more tokens.
 */
function highest(sizes: readonly BatchSize[], step: StepShape, machine: Machine): BatchSize[] {
  const demands = sizes.map((size) => ({
    size,
    targets: size.tokens - size.sequences,
    scratch: attentionScratch(size, step, machine),
  }))
  demands.sort((a, b) => b.size.tokens - a.size.tokens || b.targets - a.targets || b.scratch - a.scratch)
  const found: typeof demands = []
  for (const demand of demands) {
    if (!found.some((f) => f.targets >= demand.targets && f.scratch >= demand.scratch)) found.push(demand)
  }
  return found.map(({ size }) => size)
}

/** Scratch bytes of attention_backward: the highest of all layers. */
export function attentionScratch(
  { tokens, sequences, longest }: BatchSize,
  step: StepShape,
  machine: Machine,
): number {
  const { config, deterministic } = step
  const tensor = (shape: number[], dtype: DType): DescribedTensor => ({ dtype, shape })
  const ofLayer = (layer: LayerBlueprint): number => {
    const { modules, heads, kvHeads, headDim, window, attentionSoftcap = 0 } = layer
    const linear = resultDtype(
      step,
      modules.find((module) => module.kind === 'linear')!,
    )
    const q = tensor([tokens, heads * headDim], linear)
    const k = tensor([tokens, kvHeads * headDim], linear)
    const lse = tensor([heads, tokens], 'float32')
    const cu = tensor([sequences + 1], 'int32')
    const [dout, v, out, dq, dk, dv] = [q, k, q, q, k, k]
    const tensors = [dout, q, k, v, out, lse, cu, dq, dk, dv] as const
    const numbers = [heads, kvHeads, 1, window, attentionSoftcap, longest, deterministic ?? false] as const
    return machine.sizes.scratch('attention_backward', [...tensors, ...numbers])
  }
  const { layers } = blueprintOf(config)
  const kinds = new Map(layers.map((l) => [[l.heads, l.kvHeads, l.headDim, l.window].join(), l]))
  return Math.max(...[...kinds.values()].map(ofLayer))
}
