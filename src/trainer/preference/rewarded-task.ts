import { chunked } from '../../data/sampler'
import { collate } from '../../data/collator'
import type { LabelledRow } from '../../data/packing'
import type { PackedBatch } from '../../models/batch'
import type { TrainingArguments } from '../arguments'
import type { TrainingTask } from '../task'

/** How to compute columns of batches, one at a time or for all rows at once. */
export interface Measuring {
  /** The measured columns: one value per sequence. */
  measure(batch: PackedBatch, training: boolean): Promise<Record<string, number[]>>
}

interface Precomputing {
  precompute_ref_log_probs: boolean
  precompute_ref_batch_size: number | null
}

/** The `measure` and `prepare` of a task with measured columns, chosen by `precompute_ref_log_probs`. */
export function measured(
  args: TrainingArguments & Precomputing,
  { measure }: Measuring,
): Pick<TrainingTask, 'measure' | 'prepare'> {
  const withColumns = (batch: PackedBatch, columns: Record<string, unknown[]>): PackedBatch => ({
    ...batch,
    columns: { ...batch.columns, ...columns },
  })
  if (!args.precompute_ref_log_probs)
    return { prepare: async (batch, training) => withColumns(batch, await measure(batch, training)) }
  return {
    measure: async (rows, split, signal) => {
      const usual = split === 'train' ? args.per_device_train_batch_size : args.per_device_eval_batch_size
      const done: LabelledRow[] = []
      for (const batch of chunked(rows, args.precompute_ref_batch_size ?? usual)) {
        signal?.throwIfAborted()
        const columns = await measure(collate(batch), split === 'train')
        let at = 0
        for (const row of batch) {
          const [begin, end] = [at, (at += row.seq_lengths?.length ?? 1)]
          const own = Object.entries(columns).map(
            ([name, values]) => [name, values.slice(begin, end)] as const,
          )
          done.push({ ...row, columns: { ...row.columns, ...Object.fromEntries(own) } })
        }
      }
      return done
    },
  }
}
