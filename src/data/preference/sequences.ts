import { IGNORE_INDEX } from '../../models/token-ids'
import type { LabelledRow } from '../packing'

/** A sequence, and how many of its tokens are the answer's. */
export interface Sequence extends LabelledRow {
  answer: number
}

/** A row of one or more sequences, with what an objective is to know of each. */
export interface PreferenceRow extends LabelledRow {
  seq_lengths: number[]
  columns: Record<string, unknown[]>
}

/** Prompt and answer as one sequence; only the answer is labelled. `keep`: the end that stays when it is cut to `limit` tokens. */
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

/** Sequences one after the other as one row. `answer_tokens`: of each. */
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
