import type { Refused } from '../options/declaration'

const removed = 'transformers 5 has no such search either.'
const speculation = 'a second model that guesses is not built; answers are the same without it.'
const outputs = 'generation keeps no states of the layers; model.forward returns hidden states.'
const compiled = 'nothing is compiled.'

const speculative: Readonly<Record<string, Refused>> = {
  assistant_model: { default: null, reason: speculation },
  assistant_confidence_threshold: { default: null, neutral: [0.4], reason: speculation },
  assistant_early_exit: { default: null, reason: speculation },
  assistant_ensemble_weight: { default: null, reason: speculation },
  assistant_lookbehind: { default: null, neutral: [10], reason: speculation },
  is_assistant: { default: false, reason: speculation },
  num_assistant_tokens: { default: null, neutral: [20], reason: speculation },
  num_assistant_tokens_schedule: { default: null, neutral: ['constant'], reason: speculation },
  speculation_type: { default: null, reason: speculation },
  target_lookbehind: { default: null, neutral: [10], reason: speculation },
  use_mtp: { default: null, neutral: [false], reason: speculation },
}

const returned: Readonly<Record<string, Refused>> = {
  output_attentions: { default: false, reason: outputs },
  output_hidden_states: { default: false, reason: outputs },
}

const running: Readonly<Record<string, Refused>> = {
  cache_config: { default: null, reason: 'there is one cache, without settings.' },
  compile_config: { default: null, reason: compiled },
  continuous_batching_config: { default: null, reason: 'qlora serve batches the requests that wait.' },
  low_memory: { default: null, neutral: [false], reason: 'it belongs to contrastive search.' },
  synced_gpus: { default: null, neutral: [false], reason: 'a model is on one device.' },
}

/**
 * Options of transformers' `generate` that are not supported. `reason` completes the sentence "... is not
 * supported: ".
 */
export const refusedGenerateOptions: Readonly<Record<string, Refused>> = {
  num_beam_groups: { default: 1, reason: removed },
  constraints: { default: null, reason: removed },
  custom_generate: { default: null, reason: 'no code of a repository is ever run.' },
  diversity_penalty: { default: 0, reason: removed },
  dola_layers: { default: null, reason: removed },
  force_words_ids: { default: null, reason: removed },
  penalty_alpha: { default: null, neutral: [0], reason: removed },
  token_healing: {
    default: false,
    reason: 'the end of a prompt is not tokenized again; leave the last, unfinished word out of the prompt.',
  },
  watermarking_config: {
    default: null,
    reason: "answers are not marked: the mark is made of torch's random numbers.",
  },
  bos_token_id: { default: null, reason: 'a prompt is never empty; put the token in front of it.' },
  decoder_start_token_id: { default: null, reason: 'it is for models with an encoder.' },
  inputs: { default: null, reason: 'give input_ids as the first argument.' },
  ...speculative,
  ...returned,
  ...running,
}

/** Those that do not change the answer: a generation_config.json may contain them. */
export const notInResult: ReadonlySet<string> = new Set([
  ...Object.keys(speculative),
  ...Object.keys(returned),
  ...Object.keys(running),
  'bos_token_id',
  'decoder_start_token_id',
])
