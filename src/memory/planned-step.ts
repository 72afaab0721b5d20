import type { MemoryPlan } from '../models/memory-plan'
import type { StepCosts } from './costs'
import type { Item, Peaks, StepShape } from './dry-run'
import type { Machine } from './machine'

/** A plan and what it is expected to take. */
export interface PlannedStep {
  step: StepShape
  plan: MemoryPlan
  peaks: Peaks
  costs: StepCosts
  /** Of one micro batch, forward and backward; an estimate. */
  seconds: number
}

/** What a search for a plan goes through: one step on one machine. */
export interface PlanSpace {
  readonly step: StepShape
  readonly machine: Machine
  readonly costs: StepCosts
  /** What is there for the whole run. */
  readonly resident: readonly Item[]
  planned(plan: MemoryPlan): PlannedStep
  fits(planned: PlannedStep, limit: number): boolean
}
