import type { Dataset } from '../data/dataset'
import type { LabelledRow } from '../data/packing'
import type { BatchSize, PackedBatch } from '../models/batch'
import type { Objective } from '../models/objective'
import type { LossSettings } from './run-settings'

/** What tells one kind of training from another; the rest is the trainer's. */
export interface TrainingTask {
  /** The trainer's name, for messages. */
  readonly owner: string
  readonly objective: Objective
  /** The loss, as a checkpoint tells it. */
  readonly loss: LossSettings
  /** Whether a batch's loss is a mean over its targets or over its rows. */
  readonly lossPer: 'target' | 'row'
  /** false: dropout of the adapter is off. */
  readonly dropout: boolean
  /** Rows that the collator takes. `split`: 'train' or 'evaluation'. */
  rows(dataset: Dataset, split: string, signal: AbortSignal | undefined): Promise<LabelledRow[]>
  /** What is measured of the rows once, before the first step; called after memory is planned. */
  measure?(rows: LabelledRow[], split: string, signal: AbortSignal | undefined): Promise<LabelledRow[]>
  /** What is measured of a batch before its pass. */
  prepare?(batch: PackedBatch): Promise<PackedBatch>
  /** Further passes that memory is planned for, by the rows of a batch. */
  passes?(rows: readonly LabelledRow[]): BatchSize[]
  dispose?(): void
}
