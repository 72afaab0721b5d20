import { logger } from '../logging'
import { IGNORE_INDEX } from '../models/token-ids'
import type { LabelledRow } from './packing'
import type { PreTrainedTokenizer } from './tokenizer'

/** Rows for the collator, and statistics. */
export interface TokenizedDataset {
  rows: LabelledRow[]
  /** Number of tokens, and of those that are trained on. */
  num_tokens: number
  num_items: number
  /** Number of rows cut at `max_length`, and the length of the longest row before. */
  num_truncated: number
  longest: number
}

/** Number of labels that are predicted: all but the first of each sequence. */
export function targets(row: LabelledRow): number {
  const firsts = new Set<number>()
  let start = 0
  for (const length of row.seq_lengths ?? [row.input_ids.length]) {
    firsts.add(start)
    start += length
  }
  return row.labels.reduce(
    (count, label, i) => (label !== IGNORE_INDEX && !firsts.has(i) ? count + 1 : count),
    0,
  )
}

/**
 * Says what was cut, masked, doubled, and not ended.
 * @throws Error when there is nothing to learn in a whole data set
 */
export function report(
  { rows, num_items, num_truncated, longest }: TokenizedDataset,
  read: number,
  tokenizer: PreTrainedTokenizer,
  {
    dataset_name,
    max_length,
    packing,
    part,
  }: { dataset_name: string; max_length: number | null; packing: boolean; part?: object | undefined },
): void {
  const of = `of ${part ? 'the first ' : ''}${read} rows of the ${dataset_name} data set`
  // Later parts of a stream may have something.
  if (num_items === 0 && !part) {
    throw new Error(
      `[SFT] nothing to learn in the ${dataset_name} data set: every label is masked` +
        (num_truncated > 0
          ? `; ${num_truncated} ${of} were cut at max_length ${max_length}, perhaps before what is learned`
          : ''),
    )
  }
  if (num_truncated > 0 && !packing)
    logger.info(
      `${num_truncated} ${of} are cut at max_length ${max_length}; the longest has ${longest} tokens`,
    )
  const empty = packing ? 0 : rows.filter((row) => targets(row) === 0).length
  if (empty > 0) logger.warning(`${empty} ${of} have nothing to learn: every label is masked or cut off`)
  const { bos_token, bos_token_id, eos_token, eos_token_id } = tokenizer
  const doubled = rows.filter(
    ({ input_ids: ids }) => bos_token_id !== null && ids[0] === bos_token_id && ids[1] === bos_token_id,
  ).length
  if (doubled > 0) {
    logger.warning(
      `${doubled} ${of} begin with '${bos_token}' twice: the text has one and the tokenizer adds one. ` +
        'Take it out of the text, or load the tokenizer with add_bos_token: false',
    )
  }
  if (eos_token_id !== null && !rows.some((row) => row.labels.includes(eos_token_id))) {
    logger.warning(
      `no label of the ${dataset_name} data set is the end token '${eos_token}': the model will not learn to stop`,
    )
  }
}

export function warnBeyondPositions(rows: readonly LabelledRow[], name: string, most: number): void {
  const longest = rows.flatMap((row) => row.seq_lengths ?? [row.input_ids.length]).filter((n) => n > most)
  if (longest.length > 0)
    logger.warning(
      `${longest.length} sequences of the ${name} data set have more tokens than the model's max_position_embeddings, ${most}; ` +
        'max_length cuts them',
    )
}
