import type { ParsedGenerateOptions } from './options'
import * as rule from './processors'
import type { LogitsProcessor } from './processors'
import * as warp from './warpers'

/** What the rules of a row depend on in addition to the options. */
export interface RuleContext {
  /** Index of the row's prompt. */
  batch: number
  prompt: readonly number[]
  /** The most tokens of prompt and answer together. */
  limit: number
  /** Token ids that end the answer. */
  ends: readonly number[]
}

/**
 * The rules that the options select, in transformers' order (`_get_logits_processor`); those of sampling come
 * after the caller's own.
 */
export function rulesOf(
  o: ParsedGenerateOptions,
  { batch, prompt, limit, ends }: RuleContext,
): LogitsProcessor[] {
  const rules: LogitsProcessor[] = []
  const add = (when: unknown, make: () => LogitsProcessor): void => void (when && rules.push(make()))
  const start = prompt.length
  add(o.sequence_bias, () => rule.sequenceBias(o.sequence_bias!))
  add(o.encoder_repetition_penalty !== 1, () =>
    rule.encoderRepetitionPenalty(o.encoder_repetition_penalty, prompt),
  )
  add(o.repetition_penalty !== 1, () => rule.repetitionPenalty(o.repetition_penalty))
  add(o.no_repeat_ngram_size, () => rule.noRepeatNgram(o.no_repeat_ngram_size))
  add(o.encoder_no_repeat_ngram_size, () => rule.encoderNoRepeatNgram(o.encoder_no_repeat_ngram_size, prompt))
  add(o.bad_words_ids, () => rule.sequenceBias(badWords(o.bad_words_ids!, ends)))
  const least = o.min_new_tokens === null ? o.min_length : start + o.min_new_tokens
  add(least > 0 && ends.length > 0, () => rule.minLength(least, ends))
  add(o.prefix_allowed_tokens_fn, () => rule.prefixConstrained(o.prefix_allowed_tokens_fn!, batch))
  add(o.forced_bos_token_id !== null, () => rule.forcedBegin(o.forced_bos_token_id!))
  add(o.forced_eos_token_id !== null, () => rule.forcedEnd(limit, [o.forced_eos_token_id!].flat()))
  add(o.remove_invalid_values, rule.removeInvalid)
  const decay = o.exponential_decay_length_penalty
  add(decay, () => rule.exponentialDecay(decay![0] + start, decay![1], ends))
  add(o.suppress_tokens, () => rule.suppress(o.suppress_tokens!))
  const begin = start > 1 || o.forced_bos_token_id === null ? start : start + 1
  add(o.begin_suppress_tokens, () => rule.suppressAtBegin(o.begin_suppress_tokens!, begin))
  for (const own of o.logits_processor ?? []) rules.push(ownRule(own))
  if (o.do_sample) rules.push(...warpersOf(o, ends))
  add(o.renormalize_logits, () => (_, scores) => rule.logSoftmax(scores))
  return rules
}

function warpersOf(o: ParsedGenerateOptions, ends: readonly number[]): LogitsProcessor[] {
  // Beams need a token that does not end them.
  const keep = o.num_beams > 1 ? Math.max(2, ends.length + 1) : 1
  const warpers: LogitsProcessor[] = []
  const add = (when: boolean, make: () => LogitsProcessor): void => void (when && warpers.push(make()))
  add(o.temperature !== 1, () => warp.temperature(o.temperature))
  add(o.top_h !== null, () => warp.topH(o.top_h!))
  add(o.top_k > 0, () => warp.topK(o.top_k, keep))
  add(o.top_p < 1, () => warp.topP(o.top_p, keep))
  add(o.min_p !== null, () => warp.minP(o.min_p!, keep))
  add(o.typical_p < 1, () => warp.typical(o.typical_p, keep))
  add(o.epsilon_cutoff > 0, () => warp.epsilonCutoff(o.epsilon_cutoff, keep))
  add(o.eta_cutoff > 0, () => warp.etaCutoff(o.eta_cutoff, keep))
  return warpers
}

/** A list that is only an end token forbids nothing. */
function badWords(lists: readonly (readonly number[])[], ends: readonly number[]): rule.SequenceBias {
  const kept = lists.filter((list) => !(list.length === 1 && ends.includes(list[0]!)))
  return kept.map((list) => [list, -Infinity])
}

function ownRule(own: (ids: readonly number[], scores: Float32Array) => Float32Array): LogitsProcessor {
  return (ids, scores) => {
    const returned = own(ids, scores)
    if (!(returned instanceof Float32Array) || returned.length !== scores.length)
      throw new TypeError(
        `[generate] logits_processor: a function has to return a Float32Array of ${scores.length} scores`,
      )
    if (returned !== scores) scores.set(returned)
  }
}
