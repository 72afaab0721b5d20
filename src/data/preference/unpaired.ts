import type { Dataset, Row } from '../dataset'
import {
  checkNotEmpty,
  encodeRows,
  reportRows,
  sharedLength,
  warnOfSeam,
  type PreferenceData,
} from './encode'
import { pairIn } from './pairs'
import { checkAlike, ended, needColumns, renderedTexts, saidIn, type Place, type Said } from './said'
import { rowOf, sequenceOf, type PreferenceRow, type Sequence } from './sequences'

/** An answer, and whether it is desirable. */
interface Judged {
  prompt: Said
  completion: Said
  label: boolean
}

/** TRL converts pairs in batches of this size: first their chosen answers, then their rejected ones. */
const UNPAIRED_AT_ONCE = 1000

/**
 * Rows of `prompt`, `completion` and `label`, or of pairs, as TRL's KTOTrainer prepares them: one sequence per
 * row, with its `label`. With `groupSize`, the column `kl` is the prompt with the answer of the previous row in
 * its group.
 * @throws Error naming the columns, or the row and column, that do not fit.
 */
export async function tokenizeUnpaired(
  dataset: Dataset,
  data: PreferenceData,
  groupSize: number | undefined,
): Promise<PreferenceRow[]> {
  const { tokenizer, max_length } = data
  checkNotEmpty(dataset, data)
  const judged = judgedRows(dataset, data)
  const labels: boolean[] = []
  const encoded = await encodeRows(judged, data, async (row, place) => {
    const { prompt, completion, label } = row.read(place)
    labels.push(label)
    const answer = typeof completion === 'string' ? ended(completion, tokenizer) : completion
    const texts = await renderedTexts(prompt, [answer], row.row, tokenizer, place)
    return { texts, special: typeof prompt === 'string' }
  })
  const parted = encoded.flatMap(([prompt, whole], i) => {
    const start = sharedLength(prompt!, whole!)
    warnOfSeam(data, prompt!, start)
    if (max_length !== null && start >= max_length) return []
    return [{ prompt: prompt!.slice(0, start), answer: whole!.slice(start), label: labels[i]! }]
  })
  const rows = parted.map(({ prompt, answer, label }, i) => {
    const columns: Record<string, unknown[]> = { label: [label] }
    if (groupSize !== undefined) {
      const begin = i - (i % groupSize)
      const before = i > begin ? i - 1 : Math.min(begin + groupSize, parted.length) - 1
      const kl: Sequence = sequenceOf(prompt, parted[before]!.answer, max_length)
      columns['kl'] = [kl]
    }
    return rowOf([sequenceOf(prompt, answer, max_length)], columns)
  })
  reportRows(data, encoded.length, rows)
  return rows
}

/** A row that is read later, so that an error can name its number. */
interface Reader {
  row: Row
  read: (place: Place) => Judged
}

function judgedRows(dataset: Dataset, { owner, split }: PreferenceData): Reader[] {
  const has = (name: string): boolean => dataset.column_names.includes(name)
  if (has('chosen') && has('rejected')) return unpaired(dataset, has('prompt'))
  needColumns(dataset, ['prompt', 'completion', 'label'], owner, split)
  return dataset.to_list().map((row) => ({
    row,
    read: (place) => {
      const [prompt, completion] = [saidIn(row, 'prompt', place), saidIn(row, 'completion', place)]
      checkAlike({ prompt, completion }, place)
      return { prompt, completion, label: labelIn(row, place) }
    },
  }))
}

function unpaired(dataset: Dataset, hasPrompt: boolean): Reader[] {
  const rows = dataset.to_list()
  const readers: Reader[] = []
  for (let from = 0; from < rows.length; from += UNPAIRED_AT_ONCE) {
    for (const [answer, label] of [
      ['chosen', true],
      ['rejected', false],
    ] as const)
      rows.slice(from, from + UNPAIRED_AT_ONCE).forEach((row, i) =>
        readers.push({
          row,
          read: ({ owner }) => {
            // The number of the row itself, not of its half.
            const pair = pairIn(row, hasPrompt, { owner, index: from + i })
            return { prompt: pair.prompt, completion: pair[answer], label }
          },
        }),
      )
  }
  return readers
}

function labelIn(row: Row, { owner, index }: Place): boolean {
  const label = row['label']
  if (label === true || label === 1 || label === 1n) return true
  if (label === false || label === 0 || label === 0n) return false
  const found = label === undefined || label === null ? 'is missing' : `is ${JSON.stringify(label)}`
  throw new TypeError(`[${owner}] row ${index}: 'label' ${found}; expected true (desirable) or false`)
}
