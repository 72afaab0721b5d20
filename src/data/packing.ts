import { type TokenizedRow } from './collator'
import { chunked } from './sampler'

export type PackingStrategy = 'bfd' | 'bfd_split' | 'wrapped'

/** A row after tokenization, as the collator takes it. */
export interface LabelledRow extends TokenizedRow {
  input_ids: Int32Array
  labels: Int32Array
  seq_lengths?: number[]
}

// TRL packs the rows of one `datasets.map` call at a time; the same limit keeps rows near their original
// position.
const ROWS_AT_ONCE = 1000

/**
 * Fills rows of up to `length` tokens with shorter sequences, as TRL does.
 *
 * - `bfd` (best fit, longest first): longer sequences are cut and the rest is dropped; sequences stay
 * separate (`seq_lengths`), and attention does not cross them.
 * - `bfd_split`: the same, but the rest of a long sequence becomes a sequence of its own.
 * - `wrapped`: one stream, cut every `length` tokens; texts in one row attend to each other.
 */
export function packRows(
  rows: readonly LabelledRow[],
  length: number,
  strategy: PackingStrategy,
): LabelledRow[] {
  if (!(length >= 1)) throw new Error(`[packing] max_length = ${length}, needs a positive number of tokens`)
  const pack = strategy === 'wrapped' ? wrap : bestFit
  return chunked(rows, ROWS_AT_ONCE).flatMap((part) =>
    pack(strategy === 'bfd' ? part.map((row) => cut(row, 0, length)) : part, length),
  )
}

function wrap(rows: readonly LabelledRow[], length: number): LabelledRow[] {
  return pieces(joined(rows), length)
}

function bestFit(rows: readonly LabelledRow[], length: number): LabelledRow[] {
  const sequences = rows.flatMap((row) => pieces(row, length)).filter((row) => row.input_ids.length > 0)
  sequences.sort((a, b) => b.input_ids.length - a.input_ids.length)
  const bins: LabelledRow[][] = []
  // Bins by their free space; of equal ones the oldest is filled first.
  const byRoom = new Map<number, LabelledRow[][]>()
  for (const sequence of sequences) {
    const n = sequence.input_ids.length
    let room = n
    while (room < length && !byRoom.get(room)?.length) room++
    const bin = room < length ? (byRoom.get(room)?.shift() ?? []) : []
    if (bin.length === 0) bins.push(bin)
    bin.push(sequence)
    const left = room - n
    const alike = byRoom.get(left)
    if (alike) alike.push(bin)
    else byRoom.set(left, [bin])
  }
  return bins.map((bin) => ({ ...joined(bin), seq_lengths: bin.map((row) => row.input_ids.length) }))
}

function pieces(row: LabelledRow, length: number): LabelledRow[] {
  const count = Math.ceil(row.input_ids.length / length)
  return Array.from({ length: count }, (_, i) => cut(row, i * length, (i + 1) * length))
}

function cut(row: LabelledRow, from: number, to: number): LabelledRow {
  return { input_ids: row.input_ids.subarray(from, to), labels: row.labels.subarray(from, to) }
}

function joined(rows: readonly LabelledRow[]): LabelledRow {
  const total = rows.reduce((sum, row) => sum + row.input_ids.length, 0)
  const input_ids = new Int32Array(total)
  const labels = new Int32Array(total)
  let at = 0
  for (const row of rows) {
    input_ids.set(row.input_ids, at)
    labels.set(row.labels, at)
    at += row.input_ids.length
  }
  return { input_ids, labels }
}
