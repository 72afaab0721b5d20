import type { Refused } from '../options/declaration'

const beams = 'this version generates by greedy search and sampling only.'
const filters = 'of the rules for tokens only temperature, top_k, top_p and repetition_penalty are built.'
const stops = 'the answer ends at eos_token_id, at its length, or when signal is aborted.'
const speculation = 'speculative decoding is not built; answers are the same without it.'
const outputs = 'the ids alone are returned.'
const decoderOnly = 'it is for models with an encoder.'
const compiled = 'nothing is compiled.'

const speculative: Readonly<Record<string, Refused>> = {
  assistant_model: { default: null, reason: speculation },
  assistant_confidence_threshold: { default: null, neutral: [0.4], reason: speculation },
  assistant_early_exit: { default: null, reason: speculation },
  assistant_ensemble_weight: { default: null, reason: speculation },
  assistant_lookbehind: { default: null, neutral: [10], reason: speculation },
  is_assistant: { default: false, reason: speculation },
  max_matching_ngram_size: { default: null, reason: speculation },
  num_assistant_tokens: { default: null, neutral: [20], reason: speculation },
  num_assistant_tokens_schedule: { default: null, neutral: ['constant'], reason: speculation },
  prompt_lookup_num_tokens: { default: null, reason: speculation },
  speculation_type: { default: null, reason: speculation },
  target_lookbehind: { default: null, neutral: [10], reason: speculation },
  use_mtp: { default: null, neutral: [false], reason: speculation },
}

const returned: Readonly<Record<string, Refused>> = {
  output_attentions: { default: false, reason: outputs },
  output_hidden_states: { default: false, reason: outputs },
  output_logits: { default: false, reason: outputs },
  output_scores: { default: false, reason: outputs },
  return_dict_in_generate: { default: false, reason: outputs },
  streamer: { default: null, reason: 'answers are not streamed.' },
}

const running: Readonly<Record<string, Refused>> = {
  cache_config: { default: null, reason: 'there is one cache, without settings.' },
  compile_config: { default: null, reason: compiled },
  continuous_batching_config: { default: null, reason: 'rows are computed one after another.' },
  low_memory: { default: null, neutral: [false], reason: 'it belongs to contrastive search.' },
  prefill_chunk_size: { default: null, reason: 'a prompt is read in one piece.' },
  synced_gpus: { default: null, neutral: [false], reason: 'a model is on one device.' },
}

/** Options of transformers' `generate` that are not built. `reason` ends the sentence "... is not supported: ". */
export const refusedGenerateOptions: Readonly<Record<string, Refused>> = {
  num_beams: { default: 1, reason: beams },
  num_beam_groups: { default: 1, reason: beams },
  num_return_sequences: { default: 1, reason: beams },
  constraints: { default: null, reason: beams },
  custom_generate: { default: null, reason: beams },
  diversity_penalty: { default: 0, reason: beams },
  dola_layers: { default: null, reason: beams },
  early_stopping: { default: false, reason: beams },
  force_words_ids: { default: null, reason: beams },
  length_penalty: { default: 1, reason: beams },
  penalty_alpha: { default: null, neutral: [0], reason: beams },
  bad_words_ids: { default: null, reason: filters },
  begin_suppress_tokens: { default: null, reason: filters },
  encoder_no_repeat_ngram_size: { default: 0, reason: decoderOnly },
  encoder_repetition_penalty: { default: 1, reason: filters },
  epsilon_cutoff: { default: 0, reason: filters },
  eta_cutoff: { default: 0, reason: filters },
  exponential_decay_length_penalty: { default: null, reason: filters },
  forced_bos_token_id: { default: null, reason: filters },
  forced_eos_token_id: { default: null, reason: filters },
  guidance_scale: { default: null, neutral: [1], reason: filters },
  logits_processor: { default: null, neutral: [[]], reason: filters },
  min_length: { default: 0, reason: filters },
  min_new_tokens: { default: null, neutral: [0], reason: filters },
  min_p: { default: null, neutral: [0], reason: filters },
  no_repeat_ngram_size: { default: 0, reason: filters },
  prefix_allowed_tokens_fn: { default: null, reason: filters },
  remove_invalid_values: { default: false, reason: filters },
  renormalize_logits: { default: false, reason: filters },
  sequence_bias: { default: null, reason: filters },
  suppress_tokens: { default: null, reason: filters },
  token_healing: { default: false, reason: filters },
  top_h: { default: null, reason: filters },
  typical_p: { default: 1, reason: filters },
  watermarking_config: { default: null, reason: filters },
  max_time: { default: null, reason: stops },
  stop_strings: { default: null, reason: stops },
  stopping_criteria: { default: null, neutral: [[]], reason: stops },
  bos_token_id: { default: null, reason: 'a prompt is never empty; put the token in front of it.' },
  decoder_start_token_id: { default: null, reason: decoderOnly },
  generation_config: { default: null, reason: 'spread it: { ...generation_config }.' },
  inputs: { default: null, reason: 'give input_ids as the first argument.' },
  negative_prompt_attention_mask: { default: null, reason: filters },
  negative_prompt_ids: { default: null, reason: filters },
  ...speculative,
  ...returned,
  ...running,
}

/** Those that leave the answer as it is: a generation_config.json may name them. */
export const notInResult: ReadonlySet<string> = new Set([
  ...Object.keys(speculative),
  ...Object.keys(returned),
  ...Object.keys(running),
  'bos_token_id',
  'decoder_start_token_id',
])
