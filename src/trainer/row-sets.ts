import type { Dataset } from '../data/dataset'
import { IterableDataset } from '../data/iterable-dataset'
import type { LabelledRow } from '../data/packing'
import { PreparedStream } from './prepared-stream'
import type { TrainingTask } from './task'

/** `from`: rows of a stream before these. */
type Change = (rows: LabelledRow[], split: string, from: number) => LabelledRow[] | Promise<LabelledRow[]>

/** What a trainer learns from or is measured on. */
export type TrainingData = Dataset | IterableDataset

/** A trainer's data sets, ready for the collator: of a table the rows, each tokenized once; a stream as it comes. */
export class RowSets {
  private trained: LabelledRow[] | PreparedStream | undefined
  private readonly tokenized = new WeakMap<Dataset, LabelledRow[]>()
  private readonly kept = new WeakMap<Dataset, LabelledRow[]>()
  private readonly streams = new WeakMap<IterableDataset, PreparedStream>()
  private readonly changes: Change[] = []

  constructor(private readonly dataset: TrainingData) {}

  /** Changes rows after tokenization, before they are packed into batches. */
  change(change: Change): void {
    this.changes.push(change)
    this.trained = undefined
  }

  async train(task: TrainingTask, signal: AbortSignal | undefined): Promise<LabelledRow[] | PreparedStream> {
    const { dataset } = this
    this.trained ??=
      dataset instanceof IterableDataset
        ? this.prepared(task, dataset, 'train')
        : await this.changed(await task.rows(dataset, 'train', signal), 'train')
    return this.trained
  }

  /** Rows to evaluate on. `split`: the set's name. */
  async measured(
    task: TrainingTask,
    dataset: TrainingData,
    split: string,
    signal: AbortSignal | undefined,
  ): Promise<Iterable<LabelledRow> | AsyncIterable<LabelledRow>> {
    if (dataset instanceof IterableDataset) return this.streamOf(task, dataset, split).rows(signal)
    const known = this.kept.get(dataset)
    if (known) return known
    const rows = await this.rowsOf(task, dataset, split, signal)
    const measured = task.measure ? await task.measure(rows, 'evaluation', signal) : rows
    this.kept.set(dataset, measured)
    return measured
  }

  /** @throws Error when the set is empty or cannot be read by its columns; of a stream the first rows are tried. */
  async check(
    task: TrainingTask,
    dataset: TrainingData,
    split: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (dataset instanceof IterableDataset) await this.streamOf(task, dataset, split).head(signal)
    else await this.rowsOf(task, dataset, split, signal)
  }

  private async rowsOf(
    task: TrainingTask,
    dataset: Dataset,
    split: string,
    signal: AbortSignal | undefined,
  ): Promise<LabelledRow[]> {
    const known = this.tokenized.get(dataset)
    if (known) return known
    const rows = await this.changed(await task.rows(dataset, split, signal), split)
    this.tokenized.set(dataset, rows)
    return rows
  }

  private streamOf(task: TrainingTask, dataset: IterableDataset, split: string): PreparedStream {
    const known = this.streams.get(dataset)
    if (known) return known
    const made = this.prepared(task, dataset, split)
    this.streams.set(dataset, made)
    return made
  }

  private prepared(task: TrainingTask, stream: IterableDataset, split: string): PreparedStream {
    return new PreparedStream(
      stream,
      async ({ from, dataset }, signal) =>
        this.changed(await task.rows(dataset, split, signal, { from }), split, from),
      split,
    )
  }

  private async changed(rows: LabelledRow[], split: string, from: number = 0): Promise<LabelledRow[]> {
    let changed = rows
    for (const change of this.changes) changed = await change(changed, split, from)
    return changed
  }
}
