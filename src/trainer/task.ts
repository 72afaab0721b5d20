import type { Dataset } from '../data/dataset'
import type { LabelledRow } from '../data/packing'
import type { BatchSize, PackedBatch } from '../models/batch'
import type { Objective } from '../models/objective'
import type { LossSettings } from './run-settings'

/** A part of a stream: how many rows of the stream are before it. */
export interface RowsPart {
  from: number
}

/** What differs between kinds of training; everything else is in the trainer. */
export interface TrainingTask {
  /** The trainer's name, for messages. */
  readonly owner: string
  readonly objective: Objective
  /** The loss, as a checkpoint stores it. */
  readonly loss: LossSettings
  /** Whether a batch's loss is a mean over its targets or over its rows. */
  readonly lossPer: 'target' | 'row'
  /** false: the adapter's dropout is off. */
  readonly dropout: boolean
  /**
   * Rows that the collator takes. `split`: 'train' or else the name of an evaluation set; `part`: where `dataset` is a part of a
   * stream, which one.
   */
  rows(
    dataset: Dataset,
    split: string,
    signal: AbortSignal | undefined,
    part?: RowsPart,
  ): Promise<LabelledRow[]>
  /** Computes columns of all rows once, before the first step; called after memory is planned. */
  measure?(rows: LabelledRow[], split: string, signal: AbortSignal | undefined): Promise<LabelledRow[]>
  /** Computes columns of a batch before its pass, with layers that compute as in it. */
  prepare?(batch: PackedBatch, training: boolean): Promise<PackedBatch>
  /** Further passes to plan memory for, by the rows of a batch. */
  passes?(rows: readonly LabelledRow[]): BatchSize[]
  dispose?(): void
}
