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
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  num_beams?: 1 | null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  num_return_sequences?: 1 | null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  min_p?: null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  typical_p?: 1 | null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  no_repeat_ngram_size?: 0 | null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  stop_strings?: null
  /** @deprecated not supported: this version generates by greedy search and sampling only. */
  min_new_tokens?: null
}
