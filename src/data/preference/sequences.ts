import { IGNORE_INDEX } from '../../models/token-ids'
import type { LabelledRow } from '../packing'

/** A sequence, and how many of its tokens belong to the answer. */
export interface Sequence extends LabelledRow {
  answer: number
}

/** A row of one or more sequences, with columns for an objective. */
export interface PreferenceRow extends LabelledRow {
  seq_lengths: number[]
  columns: Record<string, unknown[]>
}

/**
 * Prompt and answer as one sequence, with labels on the answer only. `keep`: which end is kept when it is cut
 * to `limit` tokens.
 */
export function sequenceOf(
  prompt: readonly number[],
  answer: readonly number[],
  limit: number | null = null,
  keep: 'start' | 'end' = 'start',
): Sequence {
  const ids = [...prompt, ...answer]
  const labels = [...prompt.map(() => IGNORE_INDEX), ...answer]
  const cut = (values: number[]): number[] => {
    if (limit === null || values.length <= limit) return values
    return keep === 'start' ? values.slice(0, limit) : values.slice(-limit)
  }
  const kept = Int32Array.from(cut(labels))
  return {
    input_ids: Int32Array.from(cut(ids)),
    labels: kept,
    answer: kept.reduce((n, label) => n + Number(label !== IGNORE_INDEX), 0),
  }
}

/** Joins sequences into one row. `answer_tokens` has one value per sequence. */
export function rowOf(
  sequences: readonly Sequence[],
  columns: Record<string, unknown[]> = {},
): PreferenceRow {
  const joined = (key: 'input_ids' | 'labels'): Int32Array =>
    Int32Array.from(sequences.flatMap((sequence) => [...sequence[key]]))
  return {
    input_ids: joined('input_ids'),
    labels: joined('labels'),
    seq_lengths: sequences.map(({ input_ids }) => input_ids.length),
    columns: { answer_tokens: sequences.map(({ answer }) => answer), ...columns },
  }
}
