import type { Dataset } from '../dataset'
import { checkNotEmpty, encodeRows, reportRows, sharedLength, type PreferenceData } from './encode'
import { pairIn } from './pairs'
import { needColumns, renderedTexts } from './said'
import { rowOf, sequenceOf, type PreferenceRow } from './sequences'

/**
 * Rows of `prompt`, `chosen` and `rejected` as TRL's ORPOTrainer prepares them: without the tokenizer's own
 * special tokens, but with the begin token before the prompt and the end token after the answer if they are
 * missing. Answers are cut, prompts are not. The chosen sequence is labelled completely. Rows whose prompt
 * fills `max_length` are dropped (TRL keeps them, and its loss is NaN).
 * @throws Error naming the columns, or the row and column, that do not fit.
 */
export async function tokenizeOrpoPairs(dataset: Dataset, data: PreferenceData): Promise<PreferenceRow[]> {
  const { owner, split, tokenizer, max_length } = data
  checkNotEmpty(dataset, data)
  needColumns(dataset, ['chosen', 'rejected'], owner, split)
  const hasPrompt = dataset.column_names.includes('prompt')
  const encoded = await encodeRows(dataset, data, async (row, place) => {
    const { prompt, chosen, rejected } = pairIn(row, hasPrompt, place)
    if (typeof prompt === 'string')
      return { texts: [prompt, prompt + (chosen as string), prompt + (rejected as string)], special: false }
    const last = prompt.at(-1)!.role
    if (last !== 'user' && last !== 'tool')
      throw new Error(`the prompt ends with a turn of '${last}'; expected one of 'user' or 'tool'`)
    const [opened, ...wholes] = await renderedTexts(prompt, [chosen, rejected], row, tokenizer, place)
    // Texts are split before they are tokenized.
    const start = Math.min(...wholes.map((whole) => sharedText(opened!, whole)))
    return { texts: [opened!.slice(0, start), ...wholes], special: false }
  })
  const { bos_token_id: bos, eos_token_id: eos } = tokenizer
  const rows: PreferenceRow[] = []
  for (const [prompt, ...wholes] of encoded as [number[], number[], number[]][]) {
    const sequences = wholes.map((ids) => {
      const start = promptTokens(prompt, ids)
      const begun = bos !== null && (start === 0 || ids[0] !== bos) ? [bos] : []
      const answer = ids.slice(start)
      if (eos !== null && answer.at(-1) !== eos) answer.push(eos)
      return { opening: [...begun, ...ids.slice(0, start)], answer }
    })
    if (max_length !== null && sequences.some(({ opening }) => opening.length >= max_length)) continue
    const [chosen, rejected] = sequences.map(({ opening, answer }) => sequenceOf(opening, answer, max_length))
    rows.push(rowOf([{ ...chosen!, labels: chosen!.input_ids }, rejected!]))
  }
  reportRows(data, encoded.length, rows)
  return rows
}

/** The number of prompt tokens in `ids`; one less if the prompt's last token has merged with the answer's first. */
function promptTokens(prompt: readonly number[], ids: readonly number[]): number {
  return sharedLength(prompt, ids) === prompt.length ? prompt.length : Math.max(0, prompt.length - 1)
}

function sharedText(one: string, other: string): number {
  let n = 0
  while (n < one.length && one[n] === other[n]) n++
  return n
}
