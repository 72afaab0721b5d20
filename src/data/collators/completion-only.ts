import { logger } from '../../logging'
import { IGNORE_INDEX } from '../../models/token-ids'
import { checkNames, show } from '../../options/parse'
import type { LabelledRow } from '../packing'
import type { PreTrainedTokenizer } from '../tokenizer'
import { placesOfIds } from './find'

export interface CompletionOnlyOptions {
  /** The text before an answer; or its ids, if its tokens depend on the text before it. */
  response_template: string | readonly number[]
  /**
   * The text that begins a question, for conversations: then every answer is trained on. Without it, only what
   * follows the last response_template.
   */
  instruction_template?: string | readonly number[] | null
  tokenizer: PreTrainedTokenizer
  /** Only false is supported: no masked language modeling. */
  mlm?: false
  /** Only -100 is supported. */
  ignore_index?: -100
}

/**
 * Trains on answers only, as TRL's collator of this name did up to version 0.19. (In TRL 1, use prompt and
 * completion columns, or assistant_only_loss.)
 */
export class DataCollatorForCompletionOnlyLM {
  readonly tokenizer: PreTrainedTokenizer
  private readonly response: string | readonly number[]
  private readonly instruction: string | readonly number[] | null

  /** @throws TypeError on an unknown option or a missing template. */
  constructor(options: CompletionOnlyOptions) {
    const owner = 'DataCollatorForCompletionOnlyLM'
    const known = ['response_template', 'instruction_template', 'tokenizer', 'mlm', 'ignore_index'] as const
    checkNames<CompletionOnlyOptions>(owner, options, known, {
      padding_free: { default: false, neutral: [true], reason: 'rows are never padded.' },
      pad_to_multiple_of: { default: null, reason: 'rows are never padded.' },
    })
    const { response_template, instruction_template = null, tokenizer, mlm = false, ignore_index } = options
    if (typeof response_template !== 'string' && !Array.isArray(response_template))
      throw new TypeError(
        `[${owner}] response_template: got ${show(response_template)}, needs a text or a list of ids`,
      )
    if (mlm || (ignore_index ?? IGNORE_INDEX) !== IGNORE_INDEX)
      throw new TypeError(
        `[${owner}] mlm and other ignore_index are not supported: decoders learn what follows`,
      )
    this.tokenizer = tokenizer
    this.response = response_template
    this.instruction = instruction_template
  }

  /**
   * The rows with labels on the answers only. A row without the template trains nothing; a warning counts
   * these.
   */
  async changeRows(rows: LabelledRow[]): Promise<LabelledRow[]> {
    const response = await this.idsOf(this.response)
    const instruction = this.instruction === null ? null : await this.idsOf(this.instruction)
    let without = 0
    const changed = rows.map((row) => {
      if (row.seq_lengths)
        throw new Error(
          '[DataCollatorForCompletionOnlyLM] packed rows have no marks of their own: packing: false',
        )
      const answers = answersOf(row.input_ids, response, instruction)
      if (answers.length === 0) without++
      return masked(row, answers)
    })
    if (without > 0)
      logger.warning(
        `${without} of ${rows.length} rows do not have the response_template ${show(this.response)} as tokens, and are not learned; its tokens may differ by what stands before: give their ids`,
      )
    return changed
  }

  private async idsOf(template: string | readonly number[]): Promise<readonly number[]> {
    return typeof template === 'string'
      ? this.tokenizer.encode(template, { add_special_tokens: false })
      : template
  }
}

/** Token ranges of the answers. */
function answersOf(
  ids: Int32Array,
  response: readonly number[],
  instruction: readonly number[] | null,
): [number, number][] {
  const starts = placesOfIds(ids, response).map((at) => at + response.length)
  if (!instruction) return starts.length > 0 ? [[starts.at(-1)!, ids.length]] : []
  const questions = placesOfIds(ids, instruction)
  return starts.map((start) => [start, questions.find((at) => at >= start) ?? ids.length])
}

/** The row with labels in these ranges only. */
export function masked(row: LabelledRow, ranges: readonly [number, number][]): LabelledRow {
  const labels = new Int32Array(row.labels.length).fill(IGNORE_INDEX)
  for (const [start, end] of ranges) labels.set(row.labels.subarray(start, end), start)
  return { ...row, labels }
}
