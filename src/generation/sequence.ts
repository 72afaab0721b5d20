import type { ParsedGenerateOptions } from './options'
import { logSoftmax, type LogitsProcessor } from './processors'
import { lookUp } from './prompt-lookup'
import { rulesOf, type RuleContext } from './rules'
import { argmax, draw } from './select'
import { stopCheck, type FinishReason, type StopCheck } from './stopping'

const NO_SCORES = new Float32Array(0)

/** The context of a sequence, in addition to its options. */
export interface SequenceContext extends RuleContext {
  /** Draws from [0, 1). */
  uniform: () => number
  /** `performance.now()` at the start of the call. */
  began: number
  /** Called with each token of the answer, in order. */
  onToken?: ((token: number) => unknown) | undefined
  /** Called with the model's logits for each token, before any rule. */
  onLogits?: ((logits: Float32Array) => void) | undefined
}

/** A growing sequence and its rules. It does not depend on models: logits in, tokens out. */
export class Sequence {
  /** Prompt and answer. */
  readonly ids: number[]
  /** With classifier-free guidance: the sequence that the answer is guided away from. */
  readonly guide: number[] | undefined
  finished: FinishReason | undefined
  /** The error of a rule, a stop or a streamer; the sequence is then finished. */
  error: unknown
  /** The scores of each answer token, if requested. */
  readonly scores: Float32Array[] = []
  readonly logits: Float32Array[] = []
  private readonly rules: LogitsProcessor[]
  private readonly stops: StopCheck
  private readonly ends: readonly number[]

  constructor(
    private readonly options: ParsedGenerateOptions,
    private readonly context: SequenceContext,
  ) {
    const { prompt, batch } = context
    this.ids = [...prompt]
    this.ends = context.ends
    this.rules = rulesOf(options, context)
    this.stops = stopCheck(options, context)
    if (options.guidance_scale !== null && options.guidance_scale !== 1)
      this.guide = guideOf(options, batch) ?? prompt.slice(-1)
  }

  /** Whether only the index of the largest logit matters; see `append`. */
  get isGreedy(): boolean {
    const { do_sample, return_dict_in_generate: keeps, output_logits, output_scores } = this.options
    if (do_sample || this.guide || this.rules.length > 0 || this.context.onLogits) return false
    if (this.options.stopping_criteria?.length) return false
    return !(keeps && (output_logits || output_scores))
  }

  get answer(): number[] {
    return this.ids.slice(this.context.prompt.length)
  }

  get limit(): number {
    return this.context.limit
  }

  /** Guesses of the next tokens, to be checked in the same step. */
  draft(): number[] {
    const { prompt_lookup_num_tokens: count, max_matching_ngram_size: ngram } = this.options
    if (count === null || this.guide) return []
    const room = this.limit - this.ids.length - 1
    return lookUp(this.ids, { count, ngram: ngram ?? 2, ends: this.ends }).slice(0, Math.max(0, room))
  }

  /**
   * Appends a token, and one more for each token of `drafted` that turns out as guessed. `logits[i]`: after the sequence and the
   * first i of `drafted`, changed in place; `guide`: those of the guide's last token.
   */
  async take(
    logits: readonly Float32Array[],
    drafted: readonly number[],
    guide?: Float32Array,
  ): Promise<void> {
    const { do_sample, return_dict_in_generate: keeps, output_logits, output_scores } = this.options
    for (const [i, scores] of logits.entries()) {
      this.context.onLogits?.(scores)
      if (keeps && output_logits) this.logits.push(scores.slice())
      if (guide) guideScores(scores, guide, this.options.guidance_scale!)
      for (const rule of this.rules) rule(this.ids, scores)
      if (keeps && output_scores) this.scores.push(scores.slice())
      const token = do_sample ? draw(scores, 1, this.context.uniform)[0]! : argmax(scores)
      await this.append(token, scores)
      if (this.finished !== undefined || token !== drafted[i]) return
    }
  }

  /** Appends one token; `scores` are for the caller's stopping criteria. */
  async append(token: number, scores: Float32Array = NO_SCORES): Promise<void> {
    this.ids.push(token)
    this.guide?.push(token)
    await this.context.onToken?.(token)
    this.finished ??= await this.stops(this.ids, scores)
  }
}

function guideOf(
  { negative_prompt_ids, negative_prompt_attention_mask: mask }: ParsedGenerateOptions,
  row: number,
): number[] | undefined {
  const ids = negative_prompt_ids?.[row]
  if (negative_prompt_ids && !ids)
    throw new Error(`[generate] negative_prompt_ids: has no row ${row}; give one for each prompt`)
  return ids?.filter((_, t) => !mask || mask[row]?.[t] !== 0)
}

/** u + scale * (l - u) of log probabilities (Sanchez et al. 2023), in place. */
function guideScores(scores: Float32Array, guide: Float32Array, scale: number): void {
  logSoftmax(scores)
  logSoftmax(guide)
  for (let i = 0; i < scores.length; i++) scores[i] = scale * (scores[i]! - guide[i]!) + guide[i]!
}
