import type { LayerPlan, MemoryPlan } from '../models/memory-plan'
import { kinds, type Kept, type StepCosts } from './costs'
import type { Machine } from './machine'

/** Work beside a copy takes longer by this share of the copy's time (2 x 2048 on an H100: 275 and, with 176 ms of copies, 287 ms). */
const SLOWED = 0.07

/** Into how many tiles an MLP goes. */
export function tilesOf({ mlpRows }: Pick<MemoryPlan, 'mlpRows'>, tokens: number): number {
  return mlpRows === undefined ? 1 : Math.ceil(tokens / mlpRows)
}

/** The share of gate and up that goes to the host where the plan offloads them. */
export function offloadedShare(plan: Pick<MemoryPlan, 'mlpRows' | 'offloadedTiles'>, tokens: number): number {
  const tiles = tilesOf(plan, tokens)
  return Math.min(plan.offloadedTiles ?? tiles, tiles) / tiles
}

/**
 * Seconds of a micro batch, forward and backward, with this plan. Copies run beside the work, as `forwardLayers` and `backwardLayers`
 * start and await them: a layer's input and tiles of its MLP leave while it runs, its other tensors while the next does; all but
 * the tiles come back while the next runs backward, or without prefetch before their layer does.
 */
export function passSeconds(costs: StepCosts, plan: MemoryPlan, { rates }: Machine): number {
  const { layer: kind, matrix } = costs
  const moreTiles = tilesOf(plan, costs.tokens) - 1
  const share = offloadedShare(plan, costs.tokens)
  const copied = (k: Kept): number => (kind[k].bytes * (k === 'mlp' ? share : 1)) / rates.link
  const copy = (layer: LayerPlan, of: readonly Kept[]): number =>
    of.reduce((n, k) => (layer[k] === 'offload' ? n + copied(k) : n), 0)
  /** The share of a kind that is made again. */
  const madeAgain = (layer: LayerPlan, k: Kept): number =>
    layer[k] === 'recompute' ? 1 : k === 'mlp' && layer[k] === 'offload' ? 1 - share : 0
  const tiled: Kept[] = moreTiles > 0 ? ['mlp'] : []
  const untiled = kinds.filter((k) => !tiled.includes(k))
  const beside = (work: number, copying: number): number => Math.max(work + SLOWED * copying, copying)
  const forward = costs.forward + 3 * moreTiles * matrix
  let seconds = costs.head
  let copying = 0
  for (const layer of plan.layers) {
    seconds += beside(forward, copying + copy(layer, ['x', ...tiled]))
    copying = copy(
      layer,
      untiled.filter((k) => k !== 'x'),
    )
  }
  seconds += copying
  const { prefetch = true } = plan
  if (prefetch) seconds += copy(plan.layers.at(-1)!, untiled)
  plan.layers.forEach((layer, i) => {
    const again = kinds.reduce((n, k) => {
      const part = madeAgain(layer, k)
      return part > 0 ? n + part * kind[k].seconds : n
    }, 0)
    const tiles = moreTiles * (3 + 2 * madeAgain(layer, 'mlp')) * matrix
    const work = costs.backward + again + tiles
    const below = plan.layers[i - 1]
    const back = copy(layer, tiled) + (prefetch && below ? copy(below, untiled) : 0)
    seconds += beside(work, back) + (prefetch ? 0 : copy(layer, untiled))
  })
  return seconds
}

/** Page-locking a byte of host memory takes 0.5 ns, once: its share of a step in a run of 500. */
const LOCKING = 0.5e-9 / 500

/** Seconds that a plan's host memory costs for a step, beside `passSeconds`. */
export function lockingSeconds({ layer: kind, tokens }: StepCosts, plan: MemoryPlan): number {
  const share = offloadedShare(plan, tokens)
  const bytes = (layer: LayerPlan): number =>
    kinds.reduce((n, k) => (layer[k] === 'offload' ? n + kind[k].bytes * (k === 'mlp' ? share : 1) : n), 0)
  return plan.layers.reduce((n, layer) => n + bytes(layer), 0) * LOCKING
}
