import type { PackedBatch } from './batch'

/** Label of a token that is not trained on. */
export const IGNORE_INDEX = -100

/**
 * What an entry of `values` may be: an id below `vocabSize` (any id if that is undefined); for labels also
 * -100.
 */
interface IdRange {
  vocabSize?: number | undefined
  isLabel?: boolean
  /** Entries where it is 0 are padding, whose ids are not checked. */
  mask?: ArrayLike<number> | undefined
}

/**
 * Checks one row of token ids or labels. `where` begins the message, for instance `[forward] input_ids: row 2`.
 * @throws RangeError with the position, the value and what would fit.
 */
export function checkIds(where: string, values: ArrayLike<unknown>, range: IdRange = {}): void {
  const { vocabSize = Infinity, isLabel = false, mask } = range
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (mask && !mask[i]) continue
    if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < vocabSize) continue
    if (isLabel && value === IGNORE_INDEX) continue
    const shown = typeof value === 'string' ? `'${value}'` : String(value)
    const fits =
      vocabSize === Infinity
        ? 'an integer of 0 or more'
        : `an integer from 0 to ${vocabSize - 1}, for the vocabulary has ${vocabSize} tokens`
    throw new RangeError(
      `${where}, position ${i}: got ${shown}; expected ${isLabel ? `${IGNORE_INDEX} or ` : ''}${fits}`,
    )
  }
}

/**
 * Checks the sequences of a packed batch: ids and labels against the vocabulary, positions, and whether
 * `cu_seqlens` divides the tokens into sequences. In messages, a row is a sequence.
 * @throws RangeError that says what is wrong, where, and what would fit.
 */
export function checkPacked(owner: string, batch: PackedBatch, vocabSize: number): void {
  const { input_ids, labels, position_ids, cu_seqlens } = batch
  const tokens = input_ids.length
  for (const [name, values] of Object.entries({ labels, position_ids })) {
    if (values?.length === tokens) continue
    throw new RangeError(`[${owner}] ${name} has ${values?.length ?? 0} entries, input_ids has ${tokens}`)
  }
  const last = cu_seqlens.length - 1
  if (last < 1 || cu_seqlens[0] !== 0 || cu_seqlens[last] !== tokens)
    throw new RangeError(
      `[${owner}] cu_seqlens: got ${Array.from(cu_seqlens).slice(0, 8).join(', ')}; expected 0, the end of each sequence, and ${tokens} at the end`,
    )
  for (let s = 0; s < last; s++) {
    const [from, to] = [cu_seqlens[s]!, cu_seqlens[s + 1]!]
    if (!(Number.isInteger(to) && to >= from))
      throw new RangeError(`[${owner}] cu_seqlens: ${to} follows ${from}; expected integers that do not fall`)
    checkIds(`[${owner}] input_ids: row ${s}`, input_ids.slice(from, to), { vocabSize })
    checkIds(`[${owner}] labels: row ${s}`, labels.slice(from, to), { vocabSize, isLabel: true })
    checkIds(`[${owner}] position_ids: row ${s}`, position_ids.slice(from, to))
  }
}
