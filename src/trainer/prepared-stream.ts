import type { IterableDataset } from '../data/iterable-dataset'
import type { LabelledRow } from '../data/packing'
import { type StreamBlock, streamBlocks } from '../data/stream-blocks'

// `datasets` maps, tokenizes and packs a stream by so many rows.
const ROWS_A_BLOCK = 1000

/** Makes the rows of a block ready for the collator. */
export type PrepareBlock = (block: StreamBlock, signal: AbortSignal | undefined) => Promise<LabelledRow[]>

/** Rows of a stream that are ready for the collator, and how many rows of the pass are before them. */
export interface PreparedBlock {
  from: number
  rows: LabelledRow[]
}

/** A stream whose rows are tokenized, and packed, a block at a time; at most one block is in memory. */
export class PreparedStream {
  private columns: readonly string[] | undefined
  private first: Promise<LabelledRow[]> | undefined

  /** `name`: of the data set, for messages. */
  constructor(
    private readonly stream: IterableDataset,
    private readonly prepare: PrepareBlock,
    private readonly name: string,
  ) {}

  /**
   * The first block of the first pass. It tells which columns are read, and two streams apart.
   * @throws Error when the stream has no row, or lacks the columns.
   */
  head(signal: AbortSignal | undefined): Promise<LabelledRow[]> {
    this.first ??= this.readHead(signal).catch((error: unknown) => {
      this.first = undefined
      throw error
    })
    return this.first
  }

  /** The blocks of a pass, from the one that begins at row `from` on. */
  async *blocks(
    epoch: number,
    from: number = 0,
    signal?: AbortSignal | undefined,
  ): AsyncGenerator<PreparedBlock> {
    await this.head(signal)
    const { columns } = this
    for await (const block of streamBlocks(this.stream, { epoch, size: ROWS_A_BLOCK, from, columns })) {
      signal?.throwIfAborted()
      yield { from: block.from, rows: await this.prepare(block, signal) }
    }
  }

  /** The rows of the first pass. */
  async *rows(signal?: AbortSignal | undefined): AsyncGenerator<LabelledRow> {
    for await (const { rows } of this.blocks(0, 0, signal)) yield* rows
  }

  private async readHead(signal: AbortSignal | undefined): Promise<LabelledRow[]> {
    for await (const block of streamBlocks(this.stream, { epoch: 0, size: ROWS_A_BLOCK })) {
      this.columns = block.dataset.column_names
      return this.prepare(block, signal)
    }
    throw new Error(`[SFTTrainer] the ${this.name} data set, a stream, has no rows`)
  }
}
