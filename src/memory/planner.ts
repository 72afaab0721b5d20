import { keepInput, keepProducts, uniformPlan, type LayerPlan, type MemoryPlan } from '../models/memory-plan'
import { savedKinds, passSeconds, stepCosts, type SavedKind, type StepCosts } from './costs'
import { DryRun, type Peaks, type StepShape } from './dry-run'
import type { Machine } from './machine'
import { trainsEmbedding } from '../peft/trained-modules'
import type { PlannedStep, PlanSpace } from './planned-step'
import { fastestPlan, lastFitting, lastKept, LEAST_ROWS, WORTH } from './search'

/**
 * 'fast' recomputes nothing; 'balanced' offloads what the host link can carry beside the work; 'lean' uses the
 * least memory.
 */
export type MemoryMode = 'fast' | 'balanced' | 'lean'

/** A mode; or the bytes that tensors may take on the device; or null: follow gradient_checkpointing. */
export type MemoryWish = MemoryMode | number | null

/**
 * Rows per MLP tile in 'lean' mode, where that fits. Every tile dequantizes the weights again, so larger is
 * faster.
 */
const LEAN_ROWS = 4096

const keepAll: LayerPlan = { x: 'keep', qkv: 'keep', attention: 'keep', attnResidual: 'keep', mlp: 'keep' }

/** The plans of one step, and whether they fit. */
export class Planner implements PlanSpace {
  readonly costs: StepCosts
  private readonly layers: number

  constructor(
    readonly step: StepShape,
    readonly machine: Machine,
    /** A dry run that was already made for a step that differs only in its batch sizes. */
    private readonly run: DryRun = new DryRun(step, machine),
  ) {
    this.costs = stepCosts(step, machine)
    this.layers = step.config.num_hidden_layers
  }

  get resident(): DryRun['resident'] {
    return this.run.resident
  }

  /** The plan for a wish. It may not fit: check with `fits`. */
  choose(wish: MemoryWish, checkpointing: boolean): PlannedStep {
    if (wish === null) return this.planned(this.uniform(checkpointing ? keepInput : keepProducts))
    const limit = typeof wish === 'number' ? wish : this.machine.free
    if (wish === 'lean') return this.lean(limit)
    const fast = this.fast()
    if (wish === 'fast') {
      return this.fits(fast, limit) ? fast : this.planned(this.uniform(keepProducts))
    }
    if (typeof wish === 'number' && this.fits(fast, limit)) return fast
    if (wish === 'balanced') {
      const balanced = this.balanced(limit)
      if (balanced) return balanced
    }
    return fastestPlan(this, limit, this.embedding) ?? this.lean(limit)
  }

  /**
   * For batches smaller than those of `plan`: the fastest plan within `limit`. The embedding stays where `plan`
   * puts it.
   */
  chooseWithin(limit: number, wish: MemoryWish, plan: MemoryPlan): PlannedStep {
    const given = this.planned(plan)
    const found = wish === 'fast' ? this.fast() : fastestPlan(this, limit, plan.embedding ?? 'device')
    if (!found || !this.fits(found, limit)) return given
    return this.fits(given, limit) && given.seconds * (1 - WORTH) <= found.seconds ? given : found
  }

  fits({ peaks }: PlannedStep, limit: number): boolean {
    return peaks.device <= limit && (this.machine.sharesHost || peaks.host <= this.machine.host)
  }

  planned(plan: MemoryPlan): PlannedStep {
    const { step, costs, machine } = this
    return {
      step,
      plan,
      peaks: this.peaks(plan),
      costs,
      seconds: passSeconds(costs, plan, machine),
    }
  }

  /** The highest peaks over the step's batch and the others. */
  private peaks(plan: MemoryPlan): Peaks {
    const { step, run } = this
    const peaks = [step, ...(step.others ?? [])].map((size) => run.peaks(plan, size))
    return {
      device: Math.max(...peaks.map((p) => p.device)),
      host: Math.max(...peaks.map((p) => p.host)),
    }
  }

  private fast(): PlannedStep {
    // On the CPU attnResidual is recomputed: it frees the most memory per second of recomputing.
    return this.planned(this.uniform(this.machine.sharesHost ? keepProducts : keepAll))
  }

  private uniform(layer: LayerPlan): MemoryPlan {
    return uniformPlan(layer, this.layers)
  }

  /**
   * The least memory: layer inputs on the host, gate and up of one tile at a time, and what the link carries
   * for free. If that does not fit: smaller tiles, then copies without prefetch.
   */
  private lean(limit: number): PlannedStep {
    const layer: LayerPlan = { ...keepInput }
    for (const kind of this.carried(['x', 'attention'])) Object.assign(layer, { [kind]: 'offload' })
    const base = { layers: lastKept(layer, this.layers), embedding: this.embedding }
    const variants = [
      { mlpRows: LEAN_ROWS, prefetch: true },
      { mlpRows: LEAST_ROWS, prefetch: true },
      { mlpRows: LEAST_ROWS, prefetch: false },
    ]
    let planned = this.planned({ ...base, ...variants[0]! })
    for (const variant of variants.slice(1)) {
      if (this.fits(planned, limit)) break
      planned = this.planned({ ...base, ...variant })
    }
    return planned
  }

  /**
   * Offloads what the link and the host can take, then keeps as many tensors as fit, the most expensive to
   * recompute first.
   */
  private balanced(limit: number): PlannedStep | undefined {
    const offloaded = this.carried(['x', ...this.byValue()])
    const base: LayerPlan = { ...keepInput }
    for (const kind of offloaded) Object.assign(base, { [kind]: 'offload' })
    const kept = this.byValue().filter((kind) => !offloaded.includes(kind))
    // The last layers' tensors are kept for the shortest time.
    const actions = kept.flatMap((kind) =>
      Array.from({ length: this.layers }, (_, i) => ({ kind, layer: this.layers - 1 - i })),
    )
    return lastFitting(0, actions.length, (n) => {
      const layers = lastKept(base, this.layers).map((plan) => ({ ...plan }))
      for (const { kind, layer } of actions.slice(0, n)) Object.assign(layers[layer]!, { [kind]: 'keep' })
      const planned = this.planned({ layers, embedding: this.embedding })
      return this.fits(planned, limit) ? planned : undefined
    })
  }

  /** The kinds other than x, by seconds of recomputing saved per byte. */
  private byValue(): SavedKind[] {
    const value = (kind: SavedKind): number => this.costs.layer[kind].seconds / this.costs.layer[kind].bytes
    return savedKinds.filter((kind) => kind !== 'x').sort((a, b) => value(b) - value(a))
  }

  /**
   * Those of the wanted kinds that can be offloaded for free: copying one layer takes no longer than its
   * forward, and the host has room.
   */
  private carried(wanted: readonly SavedKind[]): SavedKind[] {
    const { sharesHost, host, rates } = this.machine
    if (sharesHost) return []
    const resident = this.resident.reduce((sum, item) => sum + (item.place === 'host' ? item.bytes : 0), 0)
    const embedding = this.embedding === 'host' ? this.bytesOf('embedding') : 0
    let link = rates.link * this.costs.forward
    let room = (host - resident - embedding) / Math.max(1, this.layers - 1)
    return wanted.filter((kind) => {
      const { bytes } = this.costs.layer[kind]
      if (bytes > room || (bytes > link && kind !== 'x')) return false
      link -= bytes
      room -= bytes
      return true
    })
  }

  private get embedding(): 'host' | 'device' {
    const { config, lora } = this.step
    const stays = config.tie_word_embeddings || trainsEmbedding(lora)
    return this.machine.sharesHost || stays ? 'device' : 'host'
  }

  private bytesOf(name: string): number {
    return this.resident.find((item) => item.name === name)?.bytes ?? 0
  }
}
