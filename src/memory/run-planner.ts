import type { BatchSize } from '../models/batch'
import { MemoryPlans } from '../models/memory-plan'
import { DryRun, type Peaks, type StepShape } from './dry-run'
import type { Machine } from './machine'
import type { PlannedStep } from './planned-step'
import { Planner, type MemoryWish } from './planner'
import { holding, sizeClasses, type SizeClass } from './size-classes'

/** Batches of a run that share one plan. */
export interface PlannedClass {
  /** The smallest size that covers each of them. */
  size: BatchSize
  planned: PlannedStep
}

/** The plans of a run's batches, by batch size. */
export class PlannedRun {
  readonly plans: MemoryPlans

  /** `classes` in ascending order of size. */
  constructor(readonly classes: readonly PlannedClass[]) {
    this.plans = new MemoryPlans(classes.map(({ size, planned }) => ({ size, plan: planned.plan })))
  }

  /** The plan of the largest batches. */
  get largest(): PlannedStep {
    return this.classes.at(-1)!.planned
  }

  /** The highest peaks over all batches. */
  get peaks(): Peaks {
    const peak = (place: keyof Peaks): number => Math.max(...this.classes.map((c) => c.planned.peaks[place]))
    return { device: peak('device'), host: peak('host') }
  }
}

/** Upper bounds of the size classes, as shares of the largest batch's tokens. */
const SHARES: readonly number[] = [1 / 4, 3 / 8, 1 / 2, 3 / 4, 1]

/**
 * Plans a run: first its largest batches, then the smaller ones within the peak of the largest, or within the
 * user's budget.
 */
export class RunPlanner {
  /** The planner of the largest batches. */
  readonly planner: Planner
  private readonly classes: readonly SizeClass[]
  private readonly run: DryRun

  /** `sizes`: those of the run's micro batches. Without a wish they all share one plan. */
  constructor(
    private readonly step: Omit<StepShape, keyof BatchSize>,
    sizes: readonly BatchSize[],
    private readonly machine: Machine,
    private readonly wish: MemoryWish,
  ) {
    const whole = { ...step, ...holding(sizes) }
    this.classes = sizeClasses(sizes, wish === null ? [1] : SHARES, whole, machine)
    this.run = new DryRun(whole, machine)
    this.planner = this.plannerOf(this.classes.at(-1)!)
  }

  /** Smaller batches get the fastest plan within `largest`'s peak, or within the budget. */
  withSmaller(largest: PlannedStep): PlannedRun {
    const { wish } = this
    const limit = Math.max(largest.peaks.device, typeof wish === 'number' ? wish : 0)
    const found: PlannedClass[] = [{ size: this.classes.at(-1)!.size, planned: largest }]
    for (const one of this.classes.slice(0, -1).reverse()) {
      const planned = this.plannerOf(one).chooseWithin(limit, wish, found[0]!.planned.plan)
      found.unshift({ size: one.size, planned })
    }
    return new PlannedRun(found)
  }

  private plannerOf({ highest: [first, ...others] }: SizeClass): Planner {
    return new Planner({ ...this.step, ...first!, others }, this.machine, this.run)
  }
}
