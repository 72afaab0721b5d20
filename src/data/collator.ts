import type { PackedBatch } from '../models/batch'

/** A row ready for the collator. */
export interface TokenizedRow {
  input_ids: ArrayLike<number>
  /** As long as `input_ids`; default: `input_ids`, so all tokens are trained on. */
  labels?: ArrayLike<number>
  /** Lengths of the sequences in a packed row; default: one sequence. */
  seq_lengths?: ArrayLike<number>
  /** Further data for an objective: one value per sequence. */
  columns?: Readonly<Record<string, readonly unknown[]>>
}

/**
 * Collates rows for language modeling: concatenates them; positions restart with each sequence. Empty sequences
 * are omitted. Throws when lengths do not agree or no token is left.
 */
export function collate(rows: readonly TokenizedRow[]): PackedBatch {
  const total = rows.reduce((sum, row) => sum + row.input_ids.length, 0)
  const input_ids = new Int32Array(total)
  const labels = new Int32Array(total)
  const lengths: number[] = []
  const columns: Record<string, unknown[]> = {}
  let at = 0
  rows.forEach((row, i) => {
    const n = row.input_ids.length
    if (row.labels !== undefined && row.labels.length !== n) {
      throw new Error(`[collate] row ${i} has ${n} input_ids and ${row.labels.length} labels`)
    }
    const inRow = row.seq_lengths === undefined ? [n] : Array.from(row.seq_lengths)
    const sum = inRow.reduce((a, b) => a + b, 0)
    if (sum !== n) throw new Error(`[collate] row ${i} has ${n} input_ids, its seq_lengths add up to ${sum}`)
    input_ids.set(row.input_ids, at)
    labels.set(row.labels ?? row.input_ids, at)
    lengths.push(...inRow)
    for (const [name, values] of Object.entries(row.columns ?? {}))
      (columns[name] ??= []).push(...values.filter((_, s) => inRow[s]! > 0))
    at += n
  })
  const batch = packed(
    input_ids,
    labels,
    lengths.filter((length) => length > 0),
  )
  return Object.keys(columns).length > 0 ? { ...batch, columns } : batch
}

function packed(input_ids: Int32Array, labels: Int32Array, lengths: readonly number[]): PackedBatch {
  if (lengths.length === 0) throw new Error('[collate] the batch has no tokens')
  const position_ids = new Int32Array(input_ids.length)
  const cu_seqlens = new Int32Array(lengths.length + 1)
  lengths.forEach((length, s) => {
    const start = cu_seqlens[s] ?? 0
    cu_seqlens[s + 1] = start + length
    for (let i = 1; i < length; i++) position_ids[start + i] = i
  })
  return { input_ids, labels, position_ids, cu_seqlens }
}
