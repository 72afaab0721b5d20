import { keepInput, type LayerPlan, type MemoryPlan } from '../models/memory-plan'
import { savedKinds, passSeconds, type SavedKind, type StepCosts } from './costs'
import type { PlannedStep, PlanSpace } from './planned-step'

/** Fewer tokens than these in a tile of an MLP: its products get slow. */
export const LEAST_ROWS = 2048
/** A plan has to be faster by this share than a simpler one found before. */
export const WORTH = 0.001

/** Kinds that go to the host, tiles, prefetch; and how many (kind, layer) are kept beyond that. */
interface Candidate {
  at(kept: number): MemoryPlan
  /** The most kept that the device may have: an estimate. */
  most: number
  /** Seconds with those. */
  bound: number
}

/**
 * The plan of fewest estimated seconds that fits `limit` bytes of the device and the machine's host memory: every set of offloaded
 * kinds, whole and tiled MLPs, copies ahead of time or waited for; each with as many further tensors kept as there is room for.
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

/** `base` in as many of the first layers as the host has room for, the others without offloading; the last is as `lastKept` says. */
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

/** What of a layer goes to the host: every set of kinds; the rest but x is recomputed. */
function bases(sharesHost: boolean): LayerPlan[] {
  if (sharesHost) return [keepInput]
  return Array.from({ length: 2 ** savedKinds.length }, (_, set) => {
    const offloaded = savedKinds.filter((_kind, bit) => (set >> bit) & 1)
    return { ...keepInput, ...Object.fromEntries(offloaded.map((kind) => [kind, 'offload'])) }
  })
}

/** undefined: the MLP whole; then by equal tiles, ever more of them. */
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

/** What can be kept besides, by seconds saved for a byte; the last layers first: their tensors live shortest. */
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

/** The last layer's tensors are wanted at once: what the others offload it keeps. */
export function lastKept(layer: LayerPlan, layers: number): LayerPlan[] {
  const last = Object.fromEntries(
    savedKinds.map((kind) => [kind, layer[kind] === 'offload' ? 'keep' : layer[kind]]),
  ) as unknown as LayerPlan
  return Array.from({ length: layers }, (_, i) => (i === layers - 1 ? last : layer))
}

/** What is there throughout; of an update's only micro batch gradients come as activations go. */
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

/** The first of [low, high) that is so, else high; what is so stays so. */
function first(low: number, high: number, isSo: (n: number) => boolean): number {
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (isSo(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** The result of the last of [low, high] that gives one: those before it do, too. */
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
