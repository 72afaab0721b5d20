import { setImmediate } from 'node:timers/promises'
import { messageOf } from '../../files/atomic'
import type { PreferenceRow } from './sequences'
import { logger } from '../../logging'
import { checkIds } from '../../models/token-ids'
import type { Dataset } from '../dataset'
import type { PreTrainedTokenizer } from '../tokenizer'
import type { Place } from './said'

/** The settings for making the rows of a preference objective. */
export interface PreferenceData {
  /** The objective's name in messages. */
  owner: string
  /** 'train' or 'evaluation'. */
  split: string
  tokenizer: PreTrainedTokenizer
  /** The longest sequence in tokens; longer ones are cut. null: no limit. */
  max_length: number | null
  model: { readonly vocab_size: number; readonly max_position_embeddings: number }
  signal?: AbortSignal | undefined
}

/** The texts of one row, and whether the tokenizer adds its special tokens to them. */
export interface RowTexts {
  texts: readonly string[]
  special: boolean
}

const ROWS_PER_TURN = 256

/** The ids of each text of each row. @throws Error with the row's number. */
export async function encodeRows<R>(
  rows: Iterable<R> & { length: number },
  { owner, tokenizer, model, signal }: PreferenceData,
  read: (row: R, place: Place) => Promise<RowTexts>,
): Promise<number[][][]> {
  const encoded: number[][][] = []
  let turn: RowTexts[] = []
  const encodeTurn = async (): Promise<void> => {
    signal?.throwIfAborted()
    const ids: number[][][] = turn.map(() => [])
    for (const special of [true, false]) {
      const flat = turn.flatMap((row, i) =>
        row.special === special ? row.texts.map((text) => ({ text, to: ids[i]! })) : [],
      )
      const { input_ids } = await tokenizer.batch_encode(
        flat.map(({ text }) => text),
        { add_special_tokens: special },
      )
      flat.forEach(({ to }, i) => to.push(input_ids[i]!))
    }
    ids.forEach((row, i) => {
      const of = `[${owner}] row ${encoded.length + i}`
      for (const text of row) checkIds(of, text, { vocabSize: model.vocab_size })
    })
    encoded.push(...ids)
    turn = []
    await setImmediate()
  }
  for (const row of rows) {
    const place = { owner, index: encoded.length + turn.length }
    turn.push(
      await read(row, place).catch((error: unknown) => {
        throw ofRow(place, error)
      }),
    )
    if (turn.length === ROWS_PER_TURN) await encodeTurn()
  }
  if (turn.length > 0) await encodeTurn()
  return encoded
}

/** The error with the row's number, unless it already has one. */
function ofRow({ owner, index }: Place, error: unknown): unknown {
  const message = messageOf(error)
  if (message.startsWith(`[${owner}] row`)) return error
  return new Error(`[${owner}] row ${index}: ${message}`, { cause: error })
}

export function checkNotEmpty(dataset: Dataset, { owner, split }: PreferenceData): void {
  if (dataset.length === 0) throw new Error(`[${owner}] the ${split} data set is empty`)
}

/** The number of tokens at the beginning that two sequences share. */
export function sharedLength(ids: readonly number[], others: readonly number[]): number {
  const parted = ids.findIndex((id, i) => id !== others[i])
  return parted === -1 ? ids.length : parted
}

/** Warns if a prompt's last tokens differ when an answer follows; they are then left out of the prompt. */
export function warnOfSeam({ owner }: PreferenceData, prompt: readonly number[], start: number): void {
  if (start < prompt.length)
    logger.warning_once(
      `[${owner}] a prompt alone is tokenized differently from the prompt followed by its answer; the answer is taken to begin where ` +
        'the two part, and the rest of the prompt is left out. End prompts on a token boundary, or use a chat template that renders ' +
        'the prompt in both cases alike',
    )
}

/** Reports how many of `total` rows are left. @throws Error when none is. */
export function reportRows(
  { owner, split, max_length, model }: PreferenceData,
  total: number,
  kept: readonly PreferenceRow[],
): void {
  const dropped = total - kept.length
  const of = `of ${total} rows of the ${split} data set`
  const why = `since their prompts fill max_length ${max_length}`
  if (dropped === total)
    throw new Error(`[${owner}] nothing to learn: all ${of.slice(3)} are left out, ${why}`)
  if (dropped > 0) logger.warning(`[${owner}] ${dropped} ${of} are left out, ${why}`)
  const most = model.max_position_embeddings
  const beyond = kept.flatMap((row) => row.seq_lengths).filter((length) => length > most).length
  if (beyond > 0)
    logger.warning(
      `[${owner}] ${beyond} sequences of the ${split} data set have more tokens than the model's max_position_embeddings, ${most}; max_length cuts them`,
    )
}
