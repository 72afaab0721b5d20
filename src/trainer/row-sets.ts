import type { Dataset } from '../data/dataset'
import type { LabelledRow } from '../data/packing'
import type { TrainingTask } from './task'

type Change = (rows: LabelledRow[], split: string) => LabelledRow[] | Promise<LabelledRow[]>

/** The rows of a trainer's data sets; each set is tokenized once. */
export class RowSets {
  private trained: LabelledRow[] | undefined
  private readonly kept = new WeakMap<Dataset, LabelledRow[]>()
  private readonly changes: Change[] = []

  constructor(private readonly dataset: Dataset) {}

  /** Changes rows after tokenization, before they are packed into batches. */
  change(change: Change): void {
    this.changes.push(change)
    this.trained = undefined
  }

  async train(task: TrainingTask, signal: AbortSignal | undefined): Promise<LabelledRow[]> {
    this.trained ??= await this.changed(await task.rows(this.dataset, 'train', signal), 'train')
    return this.trained
  }

  /** The rows of an evaluation set. */
  async measured(
    task: TrainingTask,
    dataset: Dataset,
    signal: AbortSignal | undefined,
  ): Promise<LabelledRow[]> {
    const known = this.kept.get(dataset)
    if (known) return known
    const rows = await this.changed(await task.rows(dataset, 'evaluation', signal), 'evaluation')
    const measured = task.measure ? await task.measure(rows, 'evaluation', signal) : rows
    this.kept.set(dataset, measured)
    return measured
  }

  private async changed(rows: LabelledRow[], split: string): Promise<LabelledRow[]> {
    let changed = rows
    for (const change of this.changes) changed = await change(changed, split)
    return changed
  }
}
