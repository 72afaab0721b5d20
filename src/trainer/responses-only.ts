import { masked } from '../data/collators/completion-only'
import { placesOfIds } from '../data/collators/find'
import type { LabelledRow } from '../data/packing'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { logger } from '../logging'
import { checkNames, show } from '../options/parse'
import type { Trainer } from './trainer'

export interface ResponsesOnlyOptions {
  /** The text that begins a question, e.g. `<|start_header_id|>user<|end_header_id|>\n\n`. */
  instruction_part: string
  /** The text that begins an answer. */
  response_part: string
}

/**
 * Restricts training to answers, which are found by the texts that begin questions and answers, like Unsloth's
 * function of this name: labels count from the end of a response_part to the next instruction_part. Call it
 * before `train()`. Returns the trainer.
 * @throws TypeError on an unknown option or an empty text; Error, in `train()`, when no row contains
 * response_part.
 */
export function train_on_responses_only<T extends Trainer>(trainer: T, options: ResponsesOnlyOptions): T {
  const owner = 'train_on_responses_only'
  checkNames<ResponsesOnlyOptions>(owner, options, ['instruction_part', 'response_part'], {
    force_match: { default: true, reason: 'marks are always matched whole.' },
    num_proc: { default: null, reason: 'rows are changed in one process.' },
  })
  for (const name of ['instruction_part', 'response_part'] as const)
    if (typeof options[name] !== 'string' || options[name] === '')
      throw new TypeError(
        `[${owner}] ${name}: got ${show(options[name])}, needs the text that begins such a part`,
      )
  trainer.changeRows(async (rows, split, from) => {
    const { processing_class } = trainer
    const [question, answer] = await Promise.all([
      coreOf(options.instruction_part, processing_class),
      coreOf(options.response_part, processing_class),
    ])
    const changed = rows.map((row) => responses(row, question, answer))
    const empty = changed.filter(({ labels }) => labels.every((label) => label < 0)).length
    // The first rows of a stream tell for the others.
    if (from > 0) return changed
    if (empty === rows.length)
      throw new Error(
        `[${owner}] no row of the ${split} data set has the response_part ${show(options.response_part)} as tokens`,
      )
    if (empty > 0)
      logger.warning(
        `[${owner}] ${empty} of ${rows.length} rows have no answer by these marks: they are not learned`,
      )
    return changed
  })
  return trainer
}

function responses(row: LabelledRow, question: readonly number[], answer: readonly number[]): LabelledRow {
  const { input_ids } = row
  const questions = placesOfIds(input_ids, question)
  const ranges = placesOfIds(input_ids, answer).map((at): [number, number] => {
    const start = at + answer.length
    return [start, questions.find((place) => place >= start) ?? input_ids.length]
  })
  return masked(row, ranges)
}

/**
 * The tokens of a text that do not depend on its surroundings: the longest run that all its tokenizations, with
 * and without line breaks around it, have in common.
 */
async function coreOf(mark: string, tokenizer: PreTrainedTokenizer): Promise<number[]> {
  const bare = mark.replace(/^\n+|\n+$/g, '')
  const spellings = [mark, bare, `\n${bare}`, `${bare}\n`, `\n${bare}\n`].filter((text) => text !== '')
  const lists = await Promise.all(
    spellings.map((text) => tokenizer.encode(text, { add_special_tokens: false })),
  )
  const [first, ...others] = lists as [number[], ...number[][]]
  for (let length = first.length; length > 0; length--)
    for (let at = 0; at + length <= first.length; at++) {
      const run = first.slice(at, at + length)
      if (others.every((list) => placesOfIds(list, run).length > 0)) return run
    }
  return first
}
