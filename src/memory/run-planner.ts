import type { BatchSize } from '../models/batch'
import { MemoryPlans } from '../models/memory-plan'
import { DryRun, type Peaks, type StepShape } from './dry-run'
import type { Machine } from './machine'
import type { PlannedStep } from './planned-step'
import { Planner, type MemoryWish } from './planner'
import { holding, sizeClasses, type SizeClass } from './size-classes'

/** Batches of a run that follow one plan. */
export interface PlannedClass {
  /** What holds each of them. */
  size: BatchSize
  planned: PlannedStep
}

/** The plans of a run's batches, by their size. */
export class PlannedRun {
  readonly plans: MemoryPlans

  /** Ascending by size. */
  constructor(readonly classes: readonly PlannedClass[]) {
    this.plans = new MemoryPlans(classes.map(({ size, planned }) => ({ size, plan: planned.plan })))
  }

  /** Of the largest batches. */
  get largest(): PlannedStep {
    return this.classes.at(-1)!.planned
  }

  /** Of all batches. */
  get peaks(): Peaks {
    const peak = (place: keyof Peaks): number => Math.max(...this.classes.map((c) => c.planned.peaks[place]))
    return { device: peak('device'), host: peak('host') }
  }
}

/** Up to which share of the largest batch's tokens a class goes. */
const SHARES: readonly number[] = [1 / 4, 3 / 8, 1 / 2, 3 / 4, 1]

/** Plans a run: first its largest batches, then the smaller ones within what those take, or within the budget where one was given. */
export class RunPlanner {
  /** For the largest batches. */
  readonly planner: Planner
  private readonly classes: readonly SizeClass[]
  private readonly run: DryRun

  /** `sizes`: of the run's micro batches. Without a wish all of them follow one plan. */
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

  /** Smaller batches get the plan of fewest seconds within `largest`'s peak or the budget. */
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
