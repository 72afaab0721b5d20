import { type Dataset } from './dataset'
import { type LabelledRow, packRows } from './packing'
import { report, targets, type TokenizedDataset, warnBeyondPositions } from './tokenize-report'
import { rowsOfIds, type TokenizeOptions } from './tokenize-rows'
import { type PreTrainedTokenizer } from './tokenizer'

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
    part,
  } = options
  if (dataset.length === 0) throw new Error(`[SFT] the ${dataset_name} data set is empty`)
  if (packing && max_length === null)
    throw new Error('[SFT] packing needs max_length: the number of tokens to fill')
  if (options.dataset_kwargs?.skip_prepare_dataset && !dataset.column_names.includes('input_ids'))
    throw new Error(
      `[SFT] dataset_kwargs.skip_prepare_dataset: the ${dataset_name} data set has no column 'input_ids'. Its columns: ${dataset.column_names.join(', ')}`,
    )
  const whole = await rowsOfIds(dataset, tokenizer, options)
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
  if (part && part.from > 0) return summary
  report(summary, whole.length, tokenizer, { dataset_name, max_length, packing, part })
  if (model) warnBeyondPositions(result, dataset_name, model.max_position_embeddings)
  return summary
}

function cut(row: LabelledRow, limit: number): LabelledRow {
  return row.input_ids.length <= limit
    ? row
    : { input_ids: row.input_ids.slice(0, limit), labels: row.labels.slice(0, limit) }
}
