import { keepInput, type LayerPlan, type MemoryPlan } from '../models/memory-plan'
import { savedKinds, passSeconds, type SavedKind, type StepCosts } from './costs'
import type { PlannedStep, PlanSpace } from './planned-step'

/** The least rows of an MLP tile; with fewer, its products get slow. */
export const LEAST_ROWS = 2048
/** A plan replaces a simpler one only if it is faster by this share. */
export const WORTH = 0.001

/**
 * A choice of offloaded kinds, tiles and prefetch. `at(n)` is its plan with n further (kind, layer) tensors
 * kept.
 */
interface Candidate {
  at(kept: number): MemoryPlan
  /** The most tensors that can be kept, by an estimate of the device's memory. */
  most: number
  /** Seconds with that many: a lower bound. */
  bound: number
}

/**
 * The plan with the fewest estimated seconds that fits `limit` bytes of the device and the machine's host
 * memory. It tries every set of offloaded kinds, whole and tiled MLPs, with and without prefetch; each keeps as
 * many further tensors as fit.
 */
export function fastestPlan(
  space: PlanSpace,
  limit: number,
  embedding: 'host' | 'device',
): PlannedStep | undefined {
  const { costs, machine } = space
  const candidates = candidatesOf(space, limit, embedding).sort((a, b) => a.bound - b.bound)
  let best: PlannedStep | undefined
  for (const { at, most, bound } of candidates) {
    const needed: number = best ? best.seconds * (1 - WORTH) : Infinity
    if (bound >= needed) break
    const from = first(0, most, (n) => passSeconds(costs, at(n), machine) < needed)
    const found = lastFitting(from, most, (n) => {
      const planned = space.planned(at(n))
      return space.fits(planned, limit) ? planned : undefined
    })
    best = found ?? best
  }
  return best
}

function candidatesOf(space: PlanSpace, limit: number, embedding: 'host' | 'device'): Candidate[] {
  const { costs, machine } = space
  const resident = residentBytes(space, embedding)
  const found: Candidate[] = []
  for (const base of bases(machine.sharesHost)) {
    const offloaded = savedKinds.filter((kind) => base[kind] === 'offload')
    const layers = layersOf(space, base, machine.host - resident.host)
    if (offloaded.length > 0 && layers[0] !== base) continue
    for (const rows of tileRows(costs.tokens)) {
      for (const prefetch of offloaded.length > 0 ? [true, false] : [true]) {
        const plan: MemoryPlan = { layers, embedding, ...(rows && { mlpRows: rows }), prefetch }
        const actions = actionsOf(space, plan)
        const at = (kept: number): MemoryPlan => {
          const copies = layers.map((layer) => ({ ...layer }))
          for (const { kind, layer } of actions.slice(0, kept))
            Object.assign(copies[layer]!, { [kind]: 'keep' })
          return { ...plan, layers: copies }
        }
        const most =
          first(0, actions.length + 1, (n) => resident.device + keptBytes(costs, at(n)) > limit) - 1
        if (most >= 0) found.push({ at, most, bound: passSeconds(costs, at(most), machine) })
      }
    }
  }
  return found
}

function keptBytes({ layer: costs }: StepCosts, { layers }: MemoryPlan): number {
  const kept = (layer: LayerPlan): number =>
    savedKinds.reduce((n, kind) => (layer[kind] === 'keep' ? n + costs[kind].bytes : n), 0)
  return layers.reduce((n, layer) => n + kept(layer), 0)
}

/**
 * `base` in as many of the first layers as the host has room for; the other layers do not offload. For the last
 * layer see `lastKept`.
 */
function layersOf({ costs, machine, step }: PlanSpace, base: LayerPlan, room: number): LayerPlan[] {
  const layers = lastKept(base, step.config.num_hidden_layers)
  const bytes = savedKinds.reduce(
    (n, kind) =>
      base[kind] === 'offload' ? n + machine.sizes.allocation('host', costs.layer[kind].bytes) : n,
    0,
  )
  const offloading = bytes > 0 ? Math.floor(room / bytes) : Infinity
  const rest = { ...base }
  for (const kind of savedKinds) {
    if (base[kind] === 'offload') Object.assign(rest, { [kind]: kind === 'x' ? 'keep' : 'recompute' })
  }
  return layers.map((layer, i) => (i >= offloading && i < layers.length - 1 ? rest : layer))
}

/** The offload choices for a layer: every set of kinds; the others are recomputed, except x. */
function bases(sharesHost: boolean): LayerPlan[] {
  if (sharesHost) return [keepInput]
  return Array.from({ length: 2 ** savedKinds.length }, (_, set) => {
    const offloaded = savedKinds.filter((_kind, bit) => (set >> bit) & 1)
    return { ...keepInput, ...Object.fromEntries(offloaded.map((kind) => [kind, 'offload'])) }
  })
}

/** Rows per MLP tile to try: undefined for the whole MLP, then equal tiles, more and more of them. */
function tileRows(tokens: number): (number | undefined)[] {
  const found: (number | undefined)[] = [undefined]
  for (
    let tiles = 2;
    tiles * LEAST_ROWS <= tokens;
    tiles += tiles < 4 ? 1 : 2 ** Math.floor(Math.log2(tiles / 2))
  ) {
    found.push(Math.ceil(tokens / tiles / 256) * 256)
  }
  return found
}

/**
 * The tensors that can be kept, ordered by seconds saved per byte; the last layers first, since their tensors
 * live for the shortest time.
 */
function actionsOf({ costs, machine }: PlanSpace, plan: MemoryPlan): { kind: SavedKind; layer: number }[] {
  const before = passSeconds(costs, plan, machine)
  const n = plan.layers.length
  const value = (kind: SavedKind): number => {
    const layers = plan.layers.map((layer, i) => (i === n - 2 ? { ...layer, [kind]: 'keep' } : layer))
    return (before - passSeconds(costs, { ...plan, layers }, machine)) / costs.layer[kind].bytes
  }
  return savedKinds
    .map((kind) => ({ kind, value: value(kind) }))
    .sort((a, b) => b.value - a.value)
    .flatMap(({ kind }) => Array.from({ length: n }, (_, i) => ({ kind, layer: n - 1 - i })))
    .filter(({ kind, layer }) => plan.layers[layer]![kind] !== 'keep')
}

/** Backward needs the last layer's tensors at once, so that layer keeps what the others offload. */
export function lastKept(layer: LayerPlan, layers: number): LayerPlan[] {
  const last = Object.fromEntries(
    savedKinds.map((kind) => [kind, layer[kind] === 'offload' ? 'keep' : layer[kind]]),
  ) as unknown as LayerPlan
  return Array.from({ length: layers }, (_, i) => (i === layers - 1 ? last : layer))
}

/**
 * Bytes in memory for the whole run. With one micro batch per update, gradients are not counted: they appear
 * while activations are freed.
 */
function residentBytes(
  { resident, step }: PlanSpace,
  embedding: 'host' | 'device',
): { device: number; host: number } {
  const sum = { device: 0, host: 0 }
  for (const { name, bytes, place } of resident) {
    if (name === 'gradients' && step.gradientAccumulation === 1) continue
    sum[name === 'embedding' ? embedding : place] += bytes
  }
  return sum
}

/** Binary search: the smallest n in [low, high) for which `isSo(n)`, else high. `isSo` must be monotone. */
function first(low: number, high: number, isSo: (n: number) => boolean): number {
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (isSo(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/**
 * Binary search: the result for the largest n in [low, high] for which `attempt` returns one. Smaller n must
 * return one too.
 */
export function lastFitting<T>(
  low: number,
  high: number,
  attempt: (n: number) => T | undefined,
): T | undefined {
  let found = low <= high ? attempt(low) : undefined
  if (found === undefined) return undefined
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const better = attempt(middle)
    if (better === undefined) high = middle - 1
    else [low, found] = [middle, better]
  }
  return found
}
