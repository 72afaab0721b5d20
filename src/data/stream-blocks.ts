import { Dataset } from './dataset'
import type { IterableDataset } from './iterable-dataset'
import { pickColumns, type Row } from './rows'

/** Rows of a stream as a table, and how many rows of the pass are before them. */
export interface StreamBlock {
  from: number
  dataset: Dataset
}

/**
 * The rows of one pass in blocks of `size`, from row `from` on: the rows before are read and left out. Every block has `columns`, null
 * where a row lacks one; default: those of its own rows.
 */
export async function* streamBlocks(
  stream: IterableDataset,
  {
    epoch,
    size,
    from = 0,
    columns,
  }: { epoch: number; size: number; from?: number; columns?: readonly string[] | undefined },
): AsyncGenerator<StreamBlock> {
  const blockOf = (rows: readonly Row[]): Dataset =>
    Dataset.from_list(columns ? rows.map((row) => pickColumns(row, columns)) : rows)
  let toSkip = from
  let at = from
  let block: Row[] = []
  for await (const rows of stream.chunks(epoch)) {
    const kept = toSkip > 0 ? rows.slice(toSkip) : rows
    toSkip = Math.max(0, toSkip - rows.length)
    for (const row of kept) {
      block.push(row)
      if (block.length < size) continue
      yield { from: at, dataset: blockOf(block) }
      at += block.length
      block = []
    }
  }
  if (block.length > 0) yield { from: at, dataset: blockOf(block) }
}
