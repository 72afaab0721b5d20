// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.

/** The values of generate. */
export interface ParsedGenerateOptions {
  /**
   * Most tokens after the prompt; null: what max_length leaves, else 20.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_new_tokens: number | null
  /**
   * Most tokens of prompt and answer together; max_new_tokens wins.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_length: number | null
  /**
   * true: draw each token by its probability; false: take the most probable.
   *
   * Takes true or false.
   * @default false
   */
  do_sample: boolean
  /**
   * Logits are divided by it before a draw: below 1 prefers probable tokens.
   *
   * Takes a number > 0.
   * @default 1
   */
  temperature: number
  /**
   * Draw among the so many most probable tokens; 0: among all.
   *
   * Takes a whole number >= 0.
   * @default 50
   */
  top_k: number
  /**
   * Draw among the fewest most probable tokens whose probabilities add up to this; 1: among all.
   *
   * Takes a number > 0 and <= 1.
   * @default 1
   */
  top_p: number
  /**
   * Above 1: tokens seen before become less likely (Keskar et al. 2019); 1: off.
   *
   * Takes a number > 0.
   * @default 1
   */
  repetition_penalty: number
  /**
   * Token id, or ids, after any of which the answer ends; null: those of the model.
   *
   * Takes a whole number or a list, each a whole number or null.
   * @default null
   */
  eos_token_id: number | number[] | null
  /**
   * Keep keys and values of earlier tokens; false computes the whole sequence for each token. null: as the model's config says.
   *
   * Takes true or false or null.
   * @default null
   */
  use_cache: boolean | null
  /**
   * Seed of the draws (ours); null: another one each time.
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
   * Most tokens after the prompt; null: what max_length leaves, else 20.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_new_tokens?: number | null
  /**
   * Most tokens of prompt and answer together; max_new_tokens wins.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_length?: number | null
  /**
   * true: draw each token by its probability; false: take the most probable.
   *
   * Takes true or false.
   * @default false
   */
  do_sample?: boolean
  /**
   * Logits are divided by it before a draw: below 1 prefers probable tokens.
   *
   * Takes a number > 0.
   * @default 1
   */
  temperature?: number
  /**
   * Draw among the so many most probable tokens; 0: among all.
   *
   * Takes a whole number >= 0.
   * @default 50
   */
  top_k?: number
  /**
   * Draw among the fewest most probable tokens whose probabilities add up to this; 1: among all.
   *
   * Takes a number > 0 and <= 1.
   * @default 1
   */
  top_p?: number
  /**
   * Above 1: tokens seen before become less likely (Keskar et al. 2019); 1: off.
   *
   * Takes a number > 0.
   * @default 1
   */
  repetition_penalty?: number
  /**
   * Token id, or ids, after any of which the answer ends; null: those of the model.
   *
   * Takes a whole number or a list, each a whole number or null.
   * @default null
   */
  eos_token_id?: number | number[] | null
  /**
   * Keep keys and values of earlier tokens; false computes the whole sequence for each token. null: as the model's config says.
   *
   * Takes true or false or null.
   * @default null
   */
  use_cache?: boolean | null
  /**
   * Seed of the draws (ours); null: another one each time.
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
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  num_beams?: 1 | null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  num_beam_groups?: 1 | null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  num_return_sequences?: 1 | null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  constraints?: null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  custom_generate?: null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  diversity_penalty?: 0 | null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  dola_layers?: null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  early_stopping?: false | null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  force_words_ids?: null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  length_penalty?: 1 | null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  penalty_alpha?: null | 0
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  bad_words_ids?: null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  begin_suppress_tokens?: null
  /** @deprecated not supported: it is for models with an encoder. */
  encoder_no_repeat_ngram_size?: 0 | null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  encoder_repetition_penalty?: 1 | null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  epsilon_cutoff?: 0 | null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  eta_cutoff?: 0 | null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  exponential_decay_length_penalty?: null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  forced_bos_token_id?: null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  forced_eos_token_id?: null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  guidance_scale?: null | 1
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  logits_processor?: null | []
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  min_length?: 0 | null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  min_new_tokens?: null | 0
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  min_p?: null | 0
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  no_repeat_ngram_size?: 0 | null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  prefix_allowed_tokens_fn?: null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  remove_invalid_values?: false | null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  renormalize_logits?: false | null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  sequence_bias?: null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  suppress_tokens?: null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  token_healing?: false | null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  top_h?: null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  typical_p?: 1 | null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  watermarking_config?: null
  /** @deprecated not supported: the answer ends at eos_token_id, at its length, or when signal is aborted. */
  max_time?: null
  /** @deprecated not supported: the answer ends at eos_token_id, at its length, or when signal is aborted. */
  stop_strings?: null
  /** @deprecated not supported: the answer ends at eos_token_id, at its length, or when signal is aborted. */
  stopping_criteria?: null | []
  /** @deprecated not supported: a prompt is never empty; put the token in front of it. */
  bos_token_id?: null
  /** @deprecated not supported: it is for models with an encoder. */
  decoder_start_token_id?: null
  /** @deprecated not supported: spread it: { ...generation_config }. */
  generation_config?: null
  /** @deprecated not supported: give input_ids as the first argument. */
  inputs?: null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  negative_prompt_attention_mask?: null
  /** @deprecated not supported: of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built. */
  negative_prompt_ids?: null
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  assistant_model?: null
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  assistant_confidence_threshold?: null | 0.4
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  assistant_early_exit?: null
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  assistant_ensemble_weight?: null
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  assistant_lookbehind?: null | 10
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  is_assistant?: false | null
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  max_matching_ngram_size?: null
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  num_assistant_tokens?: null | 20
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  num_assistant_tokens_schedule?: null | 'constant'
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  prompt_lookup_num_tokens?: null
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  speculation_type?: null
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  target_lookbehind?: null | 10
  /** @deprecated not supported: speculative decoding is not built; answers are the same without it. */
  use_mtp?: null | false
  /** @deprecated not supported: the ids alone are returned. */
  output_attentions?: false | null
  /** @deprecated not supported: the ids alone are returned. */
  output_hidden_states?: false | null
  /** @deprecated not supported: the ids alone are returned. */
  output_logits?: false | null
  /** @deprecated not supported: the ids alone are returned. */
  output_scores?: false | null
  /** @deprecated not supported: the ids alone are returned. */
  return_dict_in_generate?: false | null
  /** @deprecated not supported: answers are not streamed. */
  streamer?: null
  /** @deprecated not supported: there is one cache, without settings. */
  cache_config?: null
  /** @deprecated not supported: nothing is compiled. */
  compile_config?: null
  /** @deprecated not supported: rows are computed one after another. */
  continuous_batching_config?: null
  /** @deprecated not supported: it belongs to contrastive search. */
  low_memory?: null | false
  /** @deprecated not supported: a prompt is read in one piece. */
  prefill_chunk_size?: null
  /** @deprecated not supported: a model is on one device. */
  synced_gpus?: null | false
}
