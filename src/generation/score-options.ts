import { z } from 'zod'
import { optionalFunction } from '../options/call'
import type { Option } from '../options/declaration'
import { count, countOrNull, flag, real, realOrNull, type Bounds } from '../options/schemas'
import type { ParsedGenerateOptions } from './options.generated'

const id = z.int().min(0)
const idList = z.array(id).min(1).nullable().describe('a list of token ids, or null')
const ids = z.array(z.array(id).min(1)).min(1).nullable().describe('a list of lists of token ids, or null')
const idOrIds = z
  .union([id, z.array(id).min(1)])
  .nullable()
  .describe('a token id, a list of token ids, or null')
const listOf = (type: string): { schema: never; type: string } => ({
  schema: z
    .array(z.custom((value) => typeof value === 'function'))
    .nullable()
    .describe('a list of functions, or null') as never,
  type: `readonly (${type})[] | null`,
})
const number = (bounds: Bounds, value: number, doc: string): Option<number> => ({
  schema: real(bounds),
  default: value,
  doc,
})

type ScoreNames =
  | 'temperature'
  | 'top_k'
  | 'top_p'
  | 'top_h'
  | 'min_p'
  | 'typical_p'
  | 'epsilon_cutoff'
  | 'eta_cutoff'
  | 'repetition_penalty'
  | 'encoder_repetition_penalty'
  | 'no_repeat_ngram_size'
  | 'encoder_no_repeat_ngram_size'
  | 'bad_words_ids'
  | 'sequence_bias'
  | 'suppress_tokens'
  | 'begin_suppress_tokens'
  | 'min_length'
  | 'min_new_tokens'
  | 'forced_bos_token_id'
  | 'forced_eos_token_id'
  | 'exponential_decay_length_penalty'
  | 'guidance_scale'
  | 'negative_prompt_ids'
  | 'negative_prompt_attention_mask'
  | 'renormalize_logits'
  | 'remove_invalid_values'
  | 'prefix_allowed_tokens_fn'
  | 'logits_processor'
  | 'stopping_criteria'

/** Options that change which tokens may come next, and how likely they are. */
export const scoreOptions: { [K in ScoreNames]: Option<ParsedGenerateOptions[K]> } = {
  temperature: number(
    { above: 0 },
    1,
    'Logits are divided by it before sampling: below 1 prefers probable tokens.',
  ),
  top_k: {
    schema: count(0),
    default: 50,
    doc: 'Draw among this number of most probable tokens; 0: among all.',
  },
  top_p: number(
    { min: 0, max: 1 },
    1,
    'Draw among the fewest most probable tokens whose probabilities add up to this; 1: among all.',
  ),
  top_h: {
    schema: realOrNull({ above: 0, max: 1 }),
    default: null,
    doc: 'Draw among the most probable tokens whose entropy terms add up to this share of the entropy of the first 100; null: among all.',
  },
  min_p: {
    schema: realOrNull({ min: 0, max: 1 }),
    default: null,
    doc: 'Draw among the tokens at least this share as probable as the most probable one; null: among all.',
  },
  typical_p: number(
    { above: 0, max: 1 },
    1,
    'Draw among the tokens of most typical surprise whose probabilities add up to this (Meister et al. 2022); 1: among all.',
  ),
  epsilon_cutoff: number(
    { min: 0, below: 1 },
    0,
    'Draw among the tokens at least this probable; 0: among all.',
  ),
  eta_cutoff: number(
    { min: 0, below: 1 },
    0,
    'As epsilon_cutoff, with a lower floor where many tokens are likely (Hewitt et al. 2022); 0: among all.',
  ),
  repetition_penalty: number(
    { above: 0 },
    1,
    'Above 1: tokens seen before become less likely (Keskar et al. 2019); 1: off.',
  ),
  encoder_repetition_penalty: number(
    { above: 0 },
    1,
    "Above 1: the prompt's tokens become more likely; 1: off.",
  ),
  no_repeat_ngram_size: {
    schema: count(0),
    default: 0,
    doc: 'No sequence of this many tokens occurs twice in prompt and answer; 0: off.',
  },
  encoder_no_repeat_ngram_size: {
    schema: count(0),
    default: 0,
    doc: 'No sequence of this many tokens of the prompt occurs in the answer; 0: off.',
  },
  bad_words_ids: {
    schema: ids,
    default: null,
    doc: 'Lists of token ids that must not follow each other.',
  },
  sequence_bias: {
    schema: z
      .array(z.tuple([z.array(id).min(1), z.number()]))
      .min(1)
      .nullable()
      .describe('a list of [token ids, number], or null') as never,
    default: null,
    doc: 'Added to the logit of the last token id if the others precede it: [[ids, bias], ...].',
    type: 'readonly (readonly [readonly number[], number])[] | null',
  },
  suppress_tokens: { schema: idList, default: null, doc: 'Token ids that are never generated.' },
  begin_suppress_tokens: { schema: idList, default: null, doc: 'Token ids that no answer begins with.' },
  min_length: {
    schema: count(0),
    default: 0,
    doc: 'The answer does not end before prompt and answer have this many tokens; min_new_tokens has priority.',
  },
  min_new_tokens: {
    schema: countOrNull(0),
    default: null,
    doc: 'The answer does not end before it has this many tokens; null: that of min_length.',
  },
  forced_bos_token_id: {
    schema: z.int().min(0).nullable(),
    default: null,
    doc: 'Token id that follows a prompt of one token.',
  },
  forced_eos_token_id: {
    schema: idOrIds,
    default: null,
    doc: 'Token id, or ids, one of which is the last token if the length limit ends the answer.',
  },
  exponential_decay_length_penalty: {
    schema: z
      .tuple([z.int().min(0), z.number().positive()])
      .nullable()
      .describe('[a whole number, a factor above 0], or null') as never,
    default: null,
    doc: '[start, factor]: after `start` answer tokens the end tokens become more likely, by factor to the power of the tokens beyond.',
    type: 'readonly [number, number] | null',
  },
  guidance_scale: {
    schema: realOrNull(),
    default: null,
    doc: 'Classifier-free guidance: log probabilities l become u + scale * (l - u), u those after negative_prompt_ids. null or 1: off. Not with beams.',
  },
  negative_prompt_ids: {
    schema: ids,
    default: null,
    doc: "Prompts that guidance_scale moves away from, one per row; null: each prompt's last token.",
  },
  negative_prompt_attention_mask: {
    schema: z.array(z.array(z.int())).nullable().describe('lists of 0 and 1, or null'),
    default: null,
    doc: '0 marks padding in negative_prompt_ids.',
  },
  renormalize_logits: {
    schema: flag,
    default: false,
    doc: 'Normalize the scores to log probabilities after all rules.',
  },
  remove_invalid_values: {
    schema: flag,
    default: false,
    doc: 'Logits that are NaN become 0, infinite ones the largest number.',
  },
  prefix_allowed_tokens_fn: optionalFunction(
    '((batch_id: number, input_ids: readonly number[]) => readonly number[]) | null',
    'Returns the token ids that may follow a sequence; batch_id is the row of the prompt.',
  ),
  logits_processor: {
    ...listOf('(input_ids: readonly number[], scores: Float32Array) => Float32Array'),
    default: null,
    doc: 'Functions that take a sequence and its scores [vocab] and return its scores, after the rules above and before those of sampling.',
  },
  stopping_criteria: {
    ...listOf('(input_ids: readonly number[], scores: Float32Array) => boolean'),
    default: null,
    doc: "Functions that take a sequence with its newest token and that token's scores [vocab] and return true to end it.",
  },
}
