import type { Dataset, Row } from '../dataset'
import {
  checkNotEmpty,
  encodeRows,
  reportRows,
  sharedLength,
  warnOfSeam,
  type PreferenceData,
} from './encode'
import { extractPrompt, type Pair } from './prompt'
import { checkAlike, ended, needColumns, renderedTexts, saidIn, type Place } from './said'
import { rowOf, sequenceOf, type PreferenceRow } from './sequences'

/**
 * Rows of `prompt`, `chosen` and `rejected` as TRL's DPOTrainer prepares them: alternating sequences prompt +
 * chosen, prompt + rejected. Without a prompt column, or if the prompt is a text beside conversations, the
 * prompt is what both answers begin with. Answers that are texts get the end token. Rows whose prompt fills
 * `max_length` are dropped, unless the end is kept.
 * @throws Error naming the columns, or the row and column, that do not fit.
 */
export async function tokenizePairs(
  dataset: Dataset,
  data: PreferenceData,
  truncation: 'keep_start' | 'keep_end',
): Promise<PreferenceRow[]> {
  const { owner, split, tokenizer, max_length } = data
  checkNotEmpty(dataset, data)
  needColumns(dataset, ['chosen', 'rejected'], owner, split)
  const hasPrompt = dataset.column_names.includes('prompt')
  const encoded = await encodeRows(dataset, data, async (row, place) => {
    const { prompt, chosen, rejected } = pairIn(row, hasPrompt, place)
    const answers = [chosen, rejected].map((answer) =>
      typeof answer === 'string' ? ended(answer, tokenizer) : answer,
    )
    const texts = await renderedTexts(prompt, answers, row, tokenizer, place)
    return { texts, special: typeof prompt === 'string' }
  })
  const keepsStart = truncation === 'keep_start'
  const rows: PreferenceRow[] = []
  for (const [prompt, chosen, rejected] of encoded as [number[], number[], number[]][]) {
    const start = Math.min(sharedLength(prompt, chosen), sharedLength(prompt, rejected))
    warnOfSeam(data, prompt, start)
    if (keepsStart && max_length !== null && start >= max_length) continue
    const sequences = [chosen, rejected].map((ids) =>
      sequenceOf(prompt.slice(0, start), ids.slice(start), max_length, keepsStart ? 'start' : 'end'),
    )
    rows.push(rowOf(sequences))
  }
  reportRows(data, encoded.length, rows)
  return rows
}

/** The pair of a row. If the prompt is not given, it is extracted from the answers. */
export function pairIn(row: Row, hasPrompt: boolean, place: Place): Pair {
  const [chosen, rejected] = [saidIn(row, 'chosen', place), saidIn(row, 'rejected', place)]
  checkAlike({ chosen, rejected }, place)
  const prompt = hasPrompt ? saidIn(row, 'prompt', place) : undefined
  if (prompt === undefined || (typeof prompt === 'string' && Array.isArray(chosen))) {
    const empty = [chosen, rejected].findIndex((answer) => answer.length === 0)
    if (empty !== -1)
      throw new TypeError(
        `[${place.owner}] row ${place.index}: '${['chosen', 'rejected'][empty]}' is empty, and there is no prompt beside it`,
      )
    const pair = extractPrompt(chosen, rejected)
    if (pair.prompt.length === 0 && Array.isArray(chosen))
      throw new TypeError(
        `[${place.owner}] row ${place.index}: 'chosen' and 'rejected' begin with different turns; give a column 'prompt', or begin both with it`,
      )
    return pair
  }
  checkAlike({ prompt, chosen, rejected }, place)
  return { prompt, chosen, rejected }
}
