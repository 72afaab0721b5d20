// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { DynamicCache } from './dynamic-cache'
import type { GenerationConfig } from './generation-config'
import type { BaseStreamer } from './streamers'

/** The values of generate. */
export interface ParsedGenerateOptions {
  /**
   * The most tokens after the prompt; null: what max_length allows, else 20.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_new_tokens: number | null
  /**
   * The most tokens of prompt and answer together; max_new_tokens has priority.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_length: number | null
  /**
   * Seconds after which answers end, after the current token; null: no limit.
   *
   * Takes a number >= 0 or null.
   * @default null
   */
  max_time: number | null
  /**
   * Text, or texts, that end an answer; the answer includes it. Needs `tokenizer`.
   *
   * Takes a text, a list of texts, or null.
   * @default null
   */
  stop_strings: string | string[] | null
  /**
   * Token id, or ids, that end the answer; null: those of the model.
   *
   * Takes a token id, a list of token ids, or null.
   * @default null
   */
  eos_token_id: number | number[] | null
  /**
   * true: draw each token according to its probability; false: take the most probable one.
   *
   * Takes true or false.
   * @default false
   */
  do_sample: boolean
  /**
   * Answers to each prompt, one after another in the result; above 1 with do_sample or num_beams.
   *
   * Takes a whole number >= 1.
   * @default 1
   */
  num_return_sequences: number
  /**
   * Number of beams per prompt in beam search; 1: off.
   *
   * Takes a whole number >= 1.
   * @default 1
   */
  num_beams: number
  /**
   * Beam search: an answer's log probability is divided by its length to this power; above 0 prefers long answers.
   *
   * Takes a number.
   * @default 1
   */
  length_penalty: number
  /**
   * Beam search ends: true: with num_beams answers; false: when a better one is unlikely; 'never': when no better one is possible.
   *
   * Takes true or false or 'never'.
   * @default false
   */
  early_stopping: boolean | 'never'
  /**
   * Logits are divided by it before sampling: below 1 prefers probable tokens.
   *
   * Takes a number > 0.
   * @default 1
   */
  temperature: number
  /**
   * Draw among this number of most probable tokens; 0: among all.
   *
   * Takes a whole number >= 0.
   * @default 50
   */
  top_k: number
  /**
   * Draw among the fewest most probable tokens whose probabilities add up to this; 1: among all.
   *
   * Takes a number >= 0 and <= 1.
   * @default 1
   */
  top_p: number
  /**
   * Draw among the most probable tokens whose entropy terms add up to this share of the entropy of the first 100; null: among all.
   *
   * Takes a number > 0 and <= 1 or null.
   * @default null
   */
  top_h: number | null
  /**
   * Draw among the tokens at least this share as probable as the most probable one; null: among all.
   *
   * Takes a number >= 0 and <= 1 or null.
   * @default null
   */
  min_p: number | null
  /**
   * Draw among the tokens of most typical surprise whose probabilities add up to this (Meister et al. 2022); 1: among all.
   *
   * Takes a number > 0 and <= 1.
   * @default 1
   */
  typical_p: number
  /**
   * Draw among the tokens at least this probable; 0: among all.
   *
   * Takes a number >= 0 and < 1.
   * @default 0
   */
  epsilon_cutoff: number
  /**
   * As epsilon_cutoff, with a lower floor where many tokens are likely (Hewitt et al. 2022); 0: among all.
   *
   * Takes a number >= 0 and < 1.
   * @default 0
   */
  eta_cutoff: number
  /**
   * Above 1: tokens seen before become less likely (Keskar et al. 2019); 1: off.
   *
   * Takes a number > 0.
   * @default 1
   */
  repetition_penalty: number
  /**
   * Above 1: the prompt's tokens become more likely; 1: off.
   *
   * Takes a number > 0.
   * @default 1
   */
  encoder_repetition_penalty: number
  /**
   * No sequence of this many tokens occurs twice in prompt and answer; 0: off.
   *
   * Takes a whole number >= 0.
   * @default 0
   */
  no_repeat_ngram_size: number
  /**
   * No sequence of this many tokens of the prompt occurs in the answer; 0: off.
   *
   * Takes a whole number >= 0.
   * @default 0
   */
  encoder_no_repeat_ngram_size: number
  /**
   * Lists of token ids that must not follow each other.
   *
   * Takes a list of lists of token ids, or null.
   * @default null
   */
  bad_words_ids: number[][] | null
  /**
   * Added to the logit of the last token id if the others precede it: [[ids, bias], ...].
   *
   * Takes a list of [token ids, number], or null.
   * @default null
   */
  sequence_bias: readonly (readonly [readonly number[], number])[] | null
  /**
   * Token ids that are never generated.
   *
   * Takes a list of token ids, or null.
   * @default null
   */
  suppress_tokens: number[] | null
  /**
   * Token ids that no answer begins with.
   *
   * Takes a list of token ids, or null.
   * @default null
   */
  begin_suppress_tokens: number[] | null
  /**
   * The answer does not end before prompt and answer have this many tokens; min_new_tokens has priority.
   *
   * Takes a whole number >= 0.
   * @default 0
   */
  min_length: number
  /**
   * The answer does not end before it has this many tokens; null: that of min_length.
   *
   * Takes a whole number >= 0 or null.
   * @default null
   */
  min_new_tokens: number | null
  /**
   * Token id that follows a prompt of one token.
   *
   * Takes a whole number >= 0 or null.
   * @default null
   */
  forced_bos_token_id: number | null
  /**
   * Token id, or ids, one of which is the last token if the length limit ends the answer.
   *
   * Takes a token id, a list of token ids, or null.
   * @default null
   */
  forced_eos_token_id: number | number[] | null
  /**
   * [start, factor]: after `start` answer tokens the end tokens become more likely, by factor to the power of the tokens beyond.
   *
   * Takes [a whole number, a factor above 0], or null.
   * @default null
   */
  exponential_decay_length_penalty: readonly [number, number] | null
  /**
   * Classifier-free guidance: log probabilities l become u + scale * (l - u), u those after negative_prompt_ids. null or 1: off. Not with beams.
   *
   * Takes a number or null.
   * @default null
   */
  guidance_scale: number | null
  /**
   * Prompts that guidance_scale moves away from, one per row; null: each prompt's last token.
   *
   * Takes a list of lists of token ids, or null.
   * @default null
   */
  negative_prompt_ids: number[][] | null
  /**
   * 0 marks padding in negative_prompt_ids.
   *
   * Takes lists of 0 and 1, or null.
   * @default null
   */
  negative_prompt_attention_mask: number[][] | null
  /**
   * Normalize the scores to log probabilities after all rules.
   *
   * Takes true or false.
   * @default false
   */
  renormalize_logits: boolean
  /**
   * Logits that are NaN become 0, infinite ones the largest number.
   *
   * Takes true or false.
   * @default false
   */
  remove_invalid_values: boolean
  /**
   * Returns the token ids that may follow a sequence; batch_id is the row of the prompt.
   *
   * Takes a function.
   */
  prefix_allowed_tokens_fn:
    (((batch_id: number, input_ids: readonly number[]) => readonly number[]) | null) | undefined
  /**
   * Functions that take a sequence and its scores [vocab] and return its scores, after the rules above and before those of sampling.
   *
   * Takes a list of functions, or null.
   * @default null
   */
  logits_processor: readonly ((input_ids: readonly number[], scores: Float32Array) => Float32Array)[] | null
  /**
   * Functions that take a sequence with its newest token and that token's scores [vocab] and return true to end it.
   *
   * Takes a list of functions, or null.
   * @default null
   */
  stopping_criteria: readonly ((input_ids: readonly number[], scores: Float32Array) => boolean)[] | null
  /**
   * Guess this many next tokens if the end of the sequence occurs earlier in it, and check them in one step: the same answer in fewer steps if it repeats its prompt. null: off.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  prompt_lookup_num_tokens: number | null
  /**
   * The most tokens at the end of the sequence that prompt_lookup_num_tokens searches for; null: 2.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_matching_ngram_size: number | null
  /**
   * Keep keys and values of earlier tokens; false computes the whole sequence for each token. null: that of the model's config.
   *
   * Takes true or false or null.
   * @default null
   */
  use_cache: boolean | null
  /**
   * Keys and values of an earlier call with one prompt: the common beginning is not computed again. Afterwards it contains this call.
   *
   * Takes a DynamicCache, or null.
   */
  past_key_values: DynamicCache | null | undefined
  /**
   * The most prompt tokens of one step, over all rows; fewer need less memory. null: 8192.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  prefill_chunk_size: number | null
  /**
   * Return an object with `sequences` and the other requested results, in place of the ids.
   *
   * Takes true or false.
   * @default false
   */
  return_dict_in_generate: boolean
  /**
   * Also return `scores`, the logits after all rules, float32 [vocab] by step and row. With return_dict_in_generate.
   *
   * Takes true or false.
   * @default false
   */
  output_scores: boolean
  /**
   * Also return `logits`, those of the model, float32 [vocab] by step and row. With return_dict_in_generate.
   *
   * Takes true or false.
   * @default false
   */
  output_logits: boolean
  /**
   * Receives the ids of the prompt, then those of the answer while it is generated, such as a TextStreamer; one prompt, without beams.
   *
   * Takes an object with put and end, or null.
   */
  streamer: BaseStreamer | null | undefined
  /**
   * The model's tokenizer, which stop_strings need.
   *
   * Takes a tokenizer, or null.
   */
  tokenizer: PreTrainedTokenizer | null | undefined
  /**
   * Options for those that the call does not set; they have priority over the model's generation_config.json.
   *
   * Takes a GenerationConfig or an object of options, or null.
   */
  generation_config: GenerationConfig | Readonly<Record<string, unknown>> | null | undefined
  /**
   * Seed of the random numbers (ours); null: another one each time.
   *
   * Takes a whole number or null.
   * @default null
   */
  seed: number | null
  /**
   * Not needed: rows come back without padding.
   *
   * Takes a whole number or null.
   * @default null
   */
  pad_token_id: number | null
  /**
   * Not needed: there is one cache; every kind of transformers gives the same answer.
   *
   * Takes a text or null.
   * @default null
   */
  cache_implementation: string | null
  /**
   * Not needed: there is one cache; every kind of transformers gives the same answer.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_cache_len: number | null
  /**
   * Nothing is compiled.
   *
   * Takes true or false or null.
   * @default null
   */
  disable_compile: boolean | null
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal: AbortSignal | undefined
}

/** What generate takes. */
export interface GenerateOptions {
  /**
   * The most tokens after the prompt; null: what max_length allows, else 20.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_new_tokens?: number | null
  /**
   * The most tokens of prompt and answer together; max_new_tokens has priority.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_length?: number | null
  /**
   * Seconds after which answers end, after the current token; null: no limit.
   *
   * Takes a number >= 0 or null.
   * @default null
   */
  max_time?: number | null
  /**
   * Text, or texts, that end an answer; the answer includes it. Needs `tokenizer`.
   *
   * Takes a text, a list of texts, or null.
   * @default null
   */
  stop_strings?: string | string[] | null
  /**
   * Token id, or ids, that end the answer; null: those of the model.
   *
   * Takes a token id, a list of token ids, or null.
   * @default null
   */
  eos_token_id?: number | number[] | null
  /**
   * true: draw each token according to its probability; false: take the most probable one.
   *
   * Takes true or false.
   * @default false
   */
  do_sample?: boolean
  /**
   * Answers to each prompt, one after another in the result; above 1 with do_sample or num_beams.
   *
   * Takes a whole number >= 1.
   * @default 1
   */
  num_return_sequences?: number
  /**
   * Number of beams per prompt in beam search; 1: off.
   *
   * Takes a whole number >= 1.
   * @default 1
   */
  num_beams?: number
  /**
   * Beam search: an answer's log probability is divided by its length to this power; above 0 prefers long answers.
   *
   * Takes a number.
   * @default 1
   */
  length_penalty?: number
  /**
   * Beam search ends: true: with num_beams answers; false: when a better one is unlikely; 'never': when no better one is possible.
   *
   * Takes true or false or 'never'.
   * @default false
   */
  early_stopping?: boolean | 'never'
  /**
   * Logits are divided by it before sampling: below 1 prefers probable tokens.
   *
   * Takes a number > 0.
   * @default 1
   */
  temperature?: number
  /**
   * Draw among this number of most probable tokens; 0: among all.
   *
   * Takes a whole number >= 0.
   * @default 50
   */
  top_k?: number
  /**
   * Draw among the fewest most probable tokens whose probabilities add up to this; 1: among all.
   *
   * Takes a number >= 0 and <= 1.
   * @default 1
   */
  top_p?: number
  /**
   * Draw among the most probable tokens whose entropy terms add up to this share of the entropy of the first 100; null: among all.
   *
   * Takes a number > 0 and <= 1 or null.
   * @default null
   */
  top_h?: number | null
  /**
   * Draw among the tokens at least this share as probable as the most probable one; null: among all.
   *
   * Takes a number >= 0 and <= 1 or null.
   * @default null
   */
  min_p?: number | null
  /**
   * Draw among the tokens of most typical surprise whose probabilities add up to this (Meister et al. 2022); 1: among all.
   *
   * Takes a number > 0 and <= 1.
   * @default 1
   */
  typical_p?: number
  /**
   * Draw among the tokens at least this probable; 0: among all.
   *
   * Takes a number >= 0 and < 1.
   * @default 0
   */
  epsilon_cutoff?: number
  /**
   * As epsilon_cutoff, with a lower floor where many tokens are likely (Hewitt et al. 2022); 0: among all.
   *
   * Takes a number >= 0 and < 1.
   * @default 0
   */
  eta_cutoff?: number
  /**
   * Above 1: tokens seen before become less likely (Keskar et al. 2019); 1: off.
   *
   * Takes a number > 0.
   * @default 1
   */
  repetition_penalty?: number
  /**
   * Above 1: the prompt's tokens become more likely; 1: off.
   *
   * Takes a number > 0.
   * @default 1
   */
  encoder_repetition_penalty?: number
  /**
   * No sequence of this many tokens occurs twice in prompt and answer; 0: off.
   *
   * Takes a whole number >= 0.
   * @default 0
   */
  no_repeat_ngram_size?: number
  /**
   * No sequence of this many tokens of the prompt occurs in the answer; 0: off.
   *
   * Takes a whole number >= 0.
   * @default 0
   */
  encoder_no_repeat_ngram_size?: number
  /**
   * Lists of token ids that must not follow each other.
   *
   * Takes a list of lists of token ids, or null.
   * @default null
   */
  bad_words_ids?: number[][] | null
  /**
   * Added to the logit of the last token id if the others precede it: [[ids, bias], ...].
   *
   * Takes a list of [token ids, number], or null.
   * @default null
   */
  sequence_bias?: readonly (readonly [readonly number[], number])[] | null
  /**
   * Token ids that are never generated.
   *
   * Takes a list of token ids, or null.
   * @default null
   */
  suppress_tokens?: number[] | null
  /**
   * Token ids that no answer begins with.
   *
   * Takes a list of token ids, or null.
   * @default null
   */
  begin_suppress_tokens?: number[] | null
  /**
   * The answer does not end before prompt and answer have this many tokens; min_new_tokens has priority.
   *
   * Takes a whole number >= 0.
   * @default 0
   */
  min_length?: number
  /**
   * The answer does not end before it has this many tokens; null: that of min_length.
   *
   * Takes a whole number >= 0 or null.
   * @default null
   */
  min_new_tokens?: number | null
  /**
   * Token id that follows a prompt of one token.
   *
   * Takes a whole number >= 0 or null.
   * @default null
   */
  forced_bos_token_id?: number | null
  /**
   * Token id, or ids, one of which is the last token if the length limit ends the answer.
   *
   * Takes a token id, a list of token ids, or null.
   * @default null
   */
  forced_eos_token_id?: number | number[] | null
  /**
   * [start, factor]: after `start` answer tokens the end tokens become more likely, by factor to the power of the tokens beyond.
   *
   * Takes [a whole number, a factor above 0], or null.
   * @default null
   */
  exponential_decay_length_penalty?: readonly [number, number] | null
  /**
   * Classifier-free guidance: log probabilities l become u + scale * (l - u), u those after negative_prompt_ids. null or 1: off. Not with beams.
   *
   * Takes a number or null.
   * @default null
   */
  guidance_scale?: number | null
  /**
   * Prompts that guidance_scale moves away from, one per row; null: each prompt's last token.
   *
   * Takes a list of lists of token ids, or null.
   * @default null
   */
  negative_prompt_ids?: number[][] | null
  /**
   * 0 marks padding in negative_prompt_ids.
   *
   * Takes lists of 0 and 1, or null.
   * @default null
   */
  negative_prompt_attention_mask?: number[][] | null
  /**
   * Normalize the scores to log probabilities after all rules.
   *
   * Takes true or false.
   * @default false
   */
  renormalize_logits?: boolean
  /**
   * Logits that are NaN become 0, infinite ones the largest number.
   *
   * Takes true or false.
   * @default false
   */
  remove_invalid_values?: boolean
  /**
   * Returns the token ids that may follow a sequence; batch_id is the row of the prompt.
   *
   * Takes a function.
   */
  prefix_allowed_tokens_fn?: ((batch_id: number, input_ids: readonly number[]) => readonly number[]) | null
  /**
   * Functions that take a sequence and its scores [vocab] and return its scores, after the rules above and before those of sampling.
   *
   * Takes a list of functions, or null.
   * @default null
   */
  logits_processor?: readonly ((input_ids: readonly number[], scores: Float32Array) => Float32Array)[] | null
  /**
   * Functions that take a sequence with its newest token and that token's scores [vocab] and return true to end it.
   *
   * Takes a list of functions, or null.
   * @default null
   */
  stopping_criteria?: readonly ((input_ids: readonly number[], scores: Float32Array) => boolean)[] | null
  /**
   * Guess this many next tokens if the end of the sequence occurs earlier in it, and check them in one step: the same answer in fewer steps if it repeats its prompt. null: off.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  prompt_lookup_num_tokens?: number | null
  /**
   * The most tokens at the end of the sequence that prompt_lookup_num_tokens searches for; null: 2.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_matching_ngram_size?: number | null
  /**
   * Keep keys and values of earlier tokens; false computes the whole sequence for each token. null: that of the model's config.
   *
   * Takes true or false or null.
   * @default null
   */
  use_cache?: boolean | null
  /**
   * Keys and values of an earlier call with one prompt: the common beginning is not computed again. Afterwards it contains this call.
   *
   * Takes a DynamicCache, or null.
   */
  past_key_values?: DynamicCache | null
  /**
   * The most prompt tokens of one step, over all rows; fewer need less memory. null: 8192.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  prefill_chunk_size?: number | null
  /**
   * Return an object with `sequences` and the other requested results, in place of the ids.
   *
   * Takes true or false.
   * @default false
   */
  return_dict_in_generate?: boolean
  /**
   * Also return `scores`, the logits after all rules, float32 [vocab] by step and row. With return_dict_in_generate.
   *
   * Takes true or false.
   * @default false
   */
  output_scores?: boolean
  /**
   * Also return `logits`, those of the model, float32 [vocab] by step and row. With return_dict_in_generate.
   *
   * Takes true or false.
   * @default false
   */
  output_logits?: boolean
  /**
   * Receives the ids of the prompt, then those of the answer while it is generated, such as a TextStreamer; one prompt, without beams.
   *
   * Takes an object with put and end, or null.
   */
  streamer?: BaseStreamer | null
  /**
   * The model's tokenizer, which stop_strings need.
   *
   * Takes a tokenizer, or null.
   */
  tokenizer?: PreTrainedTokenizer | null
  /**
   * Options for those that the call does not set; they have priority over the model's generation_config.json.
   *
   * Takes a GenerationConfig or an object of options, or null.
   */
  generation_config?: GenerationConfig | Readonly<Record<string, unknown>> | null
  /**
   * Seed of the random numbers (ours); null: another one each time.
   *
   * Takes a whole number or null.
   * @default null
   */
  seed?: number | null
  /**
   * Not needed: rows come back without padding.
   *
   * Takes a whole number or null.
   * @default null
   */
  pad_token_id?: number | null
  /**
   * Not needed: there is one cache; every kind of transformers gives the same answer.
   *
   * Takes a text or null.
   * @default null
   */
  cache_implementation?: string | null
  /**
   * Not needed: there is one cache; every kind of transformers gives the same answer.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_cache_len?: number | null
  /**
   * Nothing is compiled.
   *
   * Takes true or false or null.
   * @default null
   */
  disable_compile?: boolean | null
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /** @deprecated not supported: transformers 5 has no such search either. */
  num_beam_groups?: 1 | null
  /** @deprecated not supported: transformers 5 has no such search either. */
  constraints?: null
  /** @deprecated not supported: no code of a repository is ever run. */
  custom_generate?: null
  /** @deprecated not supported: transformers 5 has no such search either. */
  diversity_penalty?: 0 | null
  /** @deprecated not supported: transformers 5 has no such search either. */
  dola_layers?: null
  /** @deprecated not supported: transformers 5 has no such search either. */
  force_words_ids?: null
  /** @deprecated not supported: transformers 5 has no such search either. */
  penalty_alpha?: null | 0
  /** @deprecated not supported: the end of a prompt is not tokenized again; leave the last, unfinished word out of the prompt. */
  token_healing?: false | null
  /** @deprecated not supported: answers are not marked: the mark is made of torch's random numbers. */
  watermarking_config?: null
  /** @deprecated not supported: a prompt is never empty; put the token in front of it. */
  bos_token_id?: null
  /** @deprecated not supported: it is for models with an encoder. */
  decoder_start_token_id?: null
  /** @deprecated not supported: give input_ids as the first argument. */
  inputs?: null
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  assistant_model?: null
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  assistant_confidence_threshold?: null | 0.4
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  assistant_early_exit?: null
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  assistant_ensemble_weight?: null
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  assistant_lookbehind?: null | 10
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  is_assistant?: false | null
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  num_assistant_tokens?: null | 20
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  num_assistant_tokens_schedule?: null | 'constant'
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  speculation_type?: null
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  target_lookbehind?: null | 10
  /** @deprecated not supported: a second model that guesses is not built; answers are the same without it. */
  use_mtp?: null | false
  /** @deprecated not supported: generation keeps no states of the layers; model.forward returns hidden states. */
  output_attentions?: false | null
  /** @deprecated not supported: generation keeps no states of the layers; model.forward returns hidden states. */
  output_hidden_states?: false | null
  /** @deprecated not supported: there is one cache, without settings. */
  cache_config?: null
  /** @deprecated not supported: nothing is compiled. */
  compile_config?: null
  /** @deprecated not supported: qlora serve batches the requests that wait. */
  continuous_batching_config?: null
  /** @deprecated not supported: it belongs to contrastive search. */
  low_memory?: null | false
  /** @deprecated not supported: a model is on one device. */
  synced_gpus?: null | false
}
