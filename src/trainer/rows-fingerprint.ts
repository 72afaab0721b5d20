import { createHash } from 'node:crypto'
import type { LabelledRow } from '../data/packing'

/** The rows by which a run knows its data: all of them, or of a stream the first block. */
export interface RowsSeen {
  rows: readonly LabelledRow[]
  isStream: boolean
}

/** SHA-256 over ids, labels and sequence lengths of all rows in order. */
export function fingerprint(rows: readonly LabelledRow[]): string {
  const hash = createHash('sha256')
  for (const { input_ids, labels, seq_lengths, columns } of rows) {
    const ends = seq_lengths ?? []
    hash.update(Int32Array.of(input_ids.length, ends.length, ...ends))
    hash.update(input_ids)
    hash.update(labels)
    if (columns) hash.update(columnsText(columns))
  }
  return hash.digest('hex')
}

/** Columns as text; the numbers of a sequence are written as a list, whatever array type holds them. */
function columnsText(columns: Readonly<Record<string, readonly unknown[]>>): string {
  return JSON.stringify(columns, (_, value: unknown) => (value instanceof Int32Array ? [...value] : value))
}
