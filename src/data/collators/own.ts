import { messageOf } from '../../files/atomic'
import { show } from '../../options/parse'
import type { Row } from '../dataset'
import type { LabelledRow } from '../packing'

/** The result of a user's collator: lists of ids, padded or not. Ids whose mask is 0 are left out. */
export interface CollatedRows {
  input_ids: readonly ArrayLike<number>[]
  labels?: readonly ArrayLike<number>[]
  attention_mask?: readonly ArrayLike<number>[]
}

/** A function of rows, or an object with that function as `call`, like Python's `__call__`. */
export type DataCollator =
  | ((rows: Row[]) => CollatedRows | Promise<CollatedRows>)
  | { call(rows: Row[]): CollatedRows | Promise<CollatedRows> }

/**
 * The rows of a user's collator. It is called once with each row before the first step: memory is planned from
 * their lengths, and every epoch sees the same rows. `from`: how many rows of a stream come before these.
 * @throws Error naming the row where it fails or returns something else.
 */
export async function collatedRows(
  collator: DataCollator,
  rows: readonly Row[],
  from: number = 0,
): Promise<LabelledRow[]> {
  const collate = typeof collator === 'function' ? collator : (r: Row[]) => collator.call(r)
  const all: LabelledRow[] = []
  for (const [i, row] of rows.entries()) {
    try {
      all.push(rowOf(await collate([row])))
    } catch (error) {
      throw new Error(`[data_collator] row ${from + i}: ${messageOf(error)}`, { cause: error })
    }
  }
  return all
}

function rowOf(collated: CollatedRows): LabelledRow {
  const [ids] = collated?.input_ids ?? []
  if (ids === undefined || typeof ids !== 'object')
    throw new TypeError(`it returned ${show(collated)}; needs { input_ids: [[...]], labels, attention_mask }`)
  const [labels = ids] = collated.labels ?? []
  const [mask] = collated.attention_mask ?? []
  for (const [name, list] of Object.entries({ labels, attention_mask: mask ?? ids }))
    if (list.length !== ids.length)
      throw new TypeError(`it returned ${ids.length} input_ids and ${list.length} ${name}`)
  const kept = Array.from(ids, (_, t) => t).filter((t) => !mask || mask[t])
  return {
    input_ids: Int32Array.from(kept, (t) => ids[t]!),
    labels: Int32Array.from(kept, (t) => labels[t]!),
  }
}
