import type { ParsedGenerateOptions } from './options'
import type { DynamicCache } from './dynamic-cache'
import type { Sequence } from './sequence'

/** What `generate` returns with `return_dict_in_generate`. */
export interface GenerateOutput {
  /** Prompt and answer as ids, one array a row, without padding. */
  sequences: number[][]
  /**
   * `scores[step][row]` [vocab]: what the rules left of the logits, from which the token of that step was chosen; null where the row
   * had ended. Of beam search the rows are the beams. Undefined without `output_scores`.
   */
  scores: (Float32Array | null)[][] | undefined
  /** The same before any rule; undefined without `output_logits`. */
  logits: (Float32Array | null)[][] | undefined
  /** Of beam search with `output_scores`: the score of each answer, its log probability over its length to the length_penalty. */
  sequences_scores?: number[] | undefined
  /** Of beam search: the beam, counted over all rows, that each answer was in, by step. */
  beam_indices?: number[][] | undefined
  past_key_values: DynamicCache | null
}

export function outputOf(sequences: readonly Sequence[], o: ParsedGenerateOptions): GenerateOutput {
  const bySteps = (kind: 'scores' | 'logits'): (Float32Array | null)[][] => {
    const steps = Math.max(0, ...sequences.map((sequence) => sequence[kind].length))
    return Array.from({ length: steps }, (_, i) => sequences.map((sequence) => sequence[kind][i] ?? null))
  }
  return {
    sequences: sequences.map(({ ids }) => ids),
    scores: o.output_scores ? bySteps('scores') : undefined,
    logits: o.output_logits ? bySteps('logits') : undefined,
    past_key_values: o.past_key_values ?? null,
  }
}
