import type { ParsedGenerateOptions } from './options'
import type { DynamicCache } from './dynamic-cache'
import type { Sequence } from './sequence'

/** The result of `generate` with `return_dict_in_generate`. */
export interface GenerateOutput {
  /** The ids of prompt and answer, one array per row, without padding. */
  sequences: number[][]
  /**
   * `scores[step][row]` [vocab]: the logits after all rules, from which the token of that step was chosen; null
   * if the row had ended. With beam search, rows are beams. Undefined without `output_scores`.
   */
  scores: (Float32Array | null)[][] | undefined
  /** The same before any rule; undefined without `output_logits`. */
  logits: (Float32Array | null)[][] | undefined
  /**
   * With beam search and `output_scores`: the score of each answer, which is its log probability divided by its
   * length to the power of length_penalty.
   */
  sequences_scores?: number[] | undefined
  /** With beam search: the beam of each answer at each step, counted over all rows. */
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
