import { setImmediate } from 'node:timers/promises'

import { messageOf } from '../files/atomic'
import { logger } from '../logging'
import { checkIds, IGNORE_INDEX } from '../models/token-ids'
import { type Dataset, type Row } from './dataset'
import { type LabelledRow, type PackingStrategy, packRows } from './packing'
import { type RowText, type RowTextOptions, rowReader } from './row-text'
import { type PreTrainedTokenizer } from './tokenizer'

/** Options with the names and defaults of TRL's `SFTConfig`. */
export interface TokenizeOptions extends Partial<RowTextOptions> {
  /** Rows are cut (keeping the start) or packed to this many tokens; null: no limit. Default 1024. */
  max_length?: number | null
  packing?: boolean
  packing_strategy?: PackingStrategy
  /** Name of the data set in messages. Default 'train'. */
  dataset_name?: string
  /** Limits of the model that is trained. Default: unknown. */
  model?: { readonly vocab_size: number; readonly max_position_embeddings: number }
  signal?: AbortSignal
  progress?: (done: number, total: number) => void
}

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

const ROWS_PER_TURN = 256

/**
 * Converts texts to rows of ids and labels, as TRL's SFTTrainer does. A data set with `input_ids` is used as it
 * is (with `labels`, else all tokens are trained on). Warns about doubled begin tokens, rows with nothing to
 * train on, labels without an end token, and sequences longer than the model's positions.
 *
 * @throws Error when the data set is empty, lacks the columns (listing its own), or has nothing to train on;
 * RangeError on an id or label outside the model's vocabulary.
 */
export async function tokenizeDataset(
  dataset: Dataset,
  tokenizer: PreTrainedTokenizer,
  options: TokenizeOptions = {},
): Promise<TokenizedDataset> {
  const {
    max_length = 1024,
    packing = false,
    packing_strategy = 'bfd',
    dataset_name = 'train',
    model,
    signal,
    progress,
  } = options
  if (dataset.length === 0) throw new Error(`[SFT] the ${dataset_name} data set is empty`)
  if (packing && max_length === null)
    throw new Error('[SFT] packing needs max_length: the number of tokens to fill')
  if (options.dataset_kwargs?.skip_prepare_dataset && !dataset.column_names.includes('input_ids'))
    throw new Error(
      `[SFT] dataset_kwargs.skip_prepare_dataset: the ${dataset_name} data set has no column 'input_ids'. Its columns: ${dataset.column_names.join(', ')}`,
    )
  const whole = dataset.column_names.includes('input_ids')
    ? givenRows(dataset, dataset_name)
    : await tokenizedRows(dataset, tokenizer, options, (done) => progress?.(done, dataset.length), signal)
  whole.forEach((row, i) => checkRow(row, i, dataset_name, model?.vocab_size))
  const limit = max_length ?? Infinity
  const rows = whole.filter((row) => row.input_ids.length > 0).map((row) => (packing ? row : cut(row, limit)))
  const result = packing ? packRows(rows, limit, packing_strategy) : rows
  const summary: TokenizedDataset = {
    rows: result,
    num_tokens: result.reduce((sum, row) => sum + row.input_ids.length, 0),
    num_items: result.reduce((sum, row) => sum + targets(row), 0),
    num_truncated: whole.filter((row) => row.input_ids.length > limit).length,
    longest: whole.reduce((most, row) => Math.max(most, row.input_ids.length), 0),
  }
  report(summary, whole.length, tokenizer, { dataset_name, max_length, packing })
  if (model) warnBeyondPositions(result, dataset_name, model.max_position_embeddings)
  return summary
}

async function tokenizedRows(
  dataset: Dataset,
  tokenizer: PreTrainedTokenizer,
  options: TokenizeOptions,
  progress: (done: number) => void,
  signal: AbortSignal | undefined,
): Promise<LabelledRow[]> {
  const {
    dataset_text_field = 'text',
    completion_only_loss = null,
    assistant_only_loss = false,
    formatting_func,
    dataset_kwargs,
  } = options
  const reader = rowReader(dataset, tokenizer, {
    dataset_text_field,
    completion_only_loss,
    assistant_only_loss,
    formatting_func,
    dataset_kwargs,
  })
  const rows: LabelledRow[] = []
  for (let from = 0; from < dataset.length; from += ROWS_PER_TURN) {
    signal?.throwIfAborted()
    const texts: RowText[] = []
    for (const row of dataset.slice(from, from + ROWS_PER_TURN)) {
      const index = from + texts.length
      try {
        texts.push(await reader.read(row, index))
      } catch (error) {
        throw ofRow(index, error)
      }
    }
    const { add_special_tokens } = reader
    const whole = await tokenizer.batch_encode(
      texts.map((t) => t.text),
      { add_special_tokens, return_offsets_mapping: assistant_only_loss },
    )
    const prompts = await tokenizer.batch_encode(
      texts.flatMap((t) => t.prompt ?? []),
      { add_special_tokens },
    )
    // A reader gives either every row a prompt or none.
    texts.forEach(({ prompt, spans }, i) => {
      const ids = whole.input_ids[i] ?? []
      const offsets = whole.offset_mapping?.[i]
      const start = prompt === undefined ? 0 : completionStart(prompts.input_ids[i] ?? [], ids)
      const learned = (token: number): boolean =>
        token >= start && (!spans || spans.some((span) => overlaps(span, offsets?.[token])))
      rows.push({
        input_ids: Int32Array.from(ids),
        labels: Int32Array.from(ids, (id, token) => (learned(token) ? id : IGNORE_INDEX)),
      })
    })
    progress(Math.min(from + ROWS_PER_TURN, dataset.length))
    await setImmediate()
  }
  return rows
}

/** The error with the row's number, unless it already has one. */
function ofRow(index: number, error: unknown): unknown {
  const message = messageOf(error)
  return message.startsWith('[SFT] row')
    ? error
    : new Error(`[SFT] row ${index}: ${message}`, { cause: error })
}

/**
 * The completion begins at the first token where prompt alone and prompt with completion differ, since tokens
 * can merge across the boundary.
 */
function completionStart(prompt: readonly number[], whole: readonly number[]): number {
  const parted = prompt.findIndex((id, i) => id !== whole[i])
  if (parted === -1) return prompt.length
  logger.warning_once(
    '[SFT] the prompt alone is tokenized differently from the prompt followed by its completion; the completion is taken to ' +
      'begin where the two part. End prompts on a token boundary (for instance without a trailing space) to avoid it',
  )
  return parted
}

function overlaps([start, end]: [number, number], offset: [number, number] | undefined): boolean {
  return offset !== undefined && offset[0] < end && offset[1] > start
}

function givenRows(dataset: Dataset, name: string): LabelledRow[] {
  return dataset.to_list().map((row, i) => {
    const ids = listOf(row, 'input_ids', i, name)
    const labels = row['labels'] == null ? ids : listOf(row, 'labels', i, name)
    if (labels.length !== ids.length)
      throw new Error(`[SFT] row ${i} has ${ids.length} input_ids and ${labels.length} labels`)
    // Checked before the copy, which would convert 1.5 to 1 and text to 0.
    checkRow({ input_ids: ids, labels }, i, name)
    return { input_ids: Int32Array.from(ids), labels: Int32Array.from(labels) }
  })
}

function listOf(row: Row, column: string, i: number, name: string): ArrayLike<number> {
  const value = row[column]
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value))
    return value as ArrayLike<number>
  const found = value === null || value === undefined ? 'nothing' : `a ${typeof value}`
  throw new TypeError(
    `[SFT] ${column}: row ${i} of the ${name} data set holds ${found}; expected a list of integers`,
  )
}

function checkRow(
  row: { input_ids: ArrayLike<number>; labels: ArrayLike<number> },
  i: number,
  name: string,
  vocabSize?: number,
): void {
  const of = `row ${i} of the ${name} data set`
  checkIds(`[SFT] input_ids: ${of}`, row.input_ids, { vocabSize })
  checkIds(`[SFT] labels: ${of}`, row.labels, { vocabSize, isLabel: true })
}

function warnBeyondPositions(rows: readonly LabelledRow[], name: string, most: number): void {
  const longest = rows.flatMap((row) => row.seq_lengths ?? [row.input_ids.length]).filter((n) => n > most)
  if (longest.length > 0)
    logger.warning(
      `${longest.length} sequences of the ${name} data set have more tokens than the model's max_position_embeddings, ${most}; ` +
        'max_length cuts them',
    )
}

function cut(row: LabelledRow, limit: number): LabelledRow {
  return row.input_ids.length <= limit
    ? row
    : { input_ids: row.input_ids.slice(0, limit), labels: row.labels.slice(0, limit) }
}

/** Number of labels that are predicted: all but the first of each sequence. */
function targets(row: LabelledRow): number {
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

function report(
  { rows, num_items, num_truncated, longest }: TokenizedDataset,
  read: number,
  tokenizer: PreTrainedTokenizer,
  {
    dataset_name,
    max_length,
    packing,
  }: { dataset_name: string; max_length: number | null; packing: boolean },
): void {
  const of = `of ${read} rows of the ${dataset_name} data set`
  if (num_items === 0) {
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
