import type { MemoryPlan } from '../models/memory-plan'
import type { StepCosts } from './costs'
import type { Item, Peaks, StepShape } from './dry-run'
import type { Machine } from './machine'

/** A plan with its expected memory and time. */
export interface PlannedStep {
  step: StepShape
  plan: MemoryPlan
  peaks: Peaks
  costs: StepCosts
  /** Estimated seconds of one micro batch, forward and backward. */
  seconds: number
}

/** What a search for a plan needs: one step on one machine. */
export interface PlanSpace {
  readonly step: StepShape
  readonly machine: Machine
  readonly costs: StepCosts
  /** The items that stay in memory for the whole run. */
  readonly resident: readonly Item[]
  planned(plan: MemoryPlan): PlannedStep
  fits(planned: PlannedStep, limit: number): boolean
}
