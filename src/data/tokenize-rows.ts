import { setImmediate } from 'node:timers/promises'

import { messageOf } from '../files/atomic'
import { logger } from '../logging'
import { checkIds, IGNORE_INDEX } from '../models/token-ids'
import type { Dataset, Row } from './dataset'
import type { LabelledRow, PackingStrategy } from './packing'
import { type RowText, type RowTextOptions, rowReader } from './row-text'
import type { PreTrainedTokenizer } from './tokenizer'

/** Options with the names and defaults of TRL's `SFTConfig`. */
export interface TokenizeOptions extends Partial<RowTextOptions> {
  /** Rows are cut (keeping the start) or packed to this many tokens; null: no limit. Default 1024. */
  max_length?: number | null
  packing?: boolean
  packing_strategy?: PackingStrategy
  /** Name of the data set in messages. Default 'train'. */
  dataset_name?: string
  /** The rows are a part of a stream, with so many before them. The first part alone is reported on. */
  part?: { readonly from: number } | undefined
  /** Limits of the model that is trained. Default: unknown. */
  model?: { readonly vocab_size: number; readonly max_position_embeddings: number }
  signal?: AbortSignal
  progress?: (done: number, total: number) => void
}

const ROWS_PER_TURN = 256

/** Rows of ids and labels, whole, each checked against the vocabulary. */
export async function rowsOfIds(
  dataset: Dataset,
  tokenizer: PreTrainedTokenizer,
  options: TokenizeOptions,
): Promise<LabelledRow[]> {
  const { dataset_name = 'train', part: { from } = { from: 0 }, model } = options
  const rows = dataset.column_names.includes('input_ids')
    ? givenRows(dataset, dataset_name, from)
    : await tokenizedRows(dataset, tokenizer, options, from)
  rows.forEach((row, i) => checkRow(row, from + i, dataset_name, model?.vocab_size))
  return rows
}

async function tokenizedRows(
  dataset: Dataset,
  tokenizer: PreTrainedTokenizer,
  options: TokenizeOptions,
  before: number,
): Promise<LabelledRow[]> {
  const {
    dataset_name = 'train',
    dataset_text_field = 'text',
    completion_only_loss = null,
    assistant_only_loss = false,
    formatting_func,
    dataset_kwargs,
    signal,
    progress,
  } = options
  const reader = rowReader(dataset, tokenizer, {
    dataset_name,
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
      const index = before + from + texts.length
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
    progress?.(Math.min(from + ROWS_PER_TURN, dataset.length), dataset.length)
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

function givenRows(dataset: Dataset, name: string, from: number): LabelledRow[] {
  return dataset.to_list().map((row, at) => {
    const i = from + at
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
