import { z } from 'zod'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import type { SamplingOptions } from './sampling'

/** Options of `generate`, with transformers' names. */
export interface GenerateOptions extends Partial<SamplingOptions> {
  /** Default 20 tokens after the prompt, as in transformers. */
  max_new_tokens?: number | null
  /** Prompt and answer together; `max_new_tokens` wins. */
  max_length?: number | null
  /** One id or several; generation stops after any of them. Default: the model's. */
  eos_token_id?: number | number[] | null
  /** false computes the whole sequence again for each token. Default: the config's. */
  use_cache?: boolean | null
  /** Of the draws when do_sample is true. Default: a new one each time. */
  seed?: number | null
  signal?: AbortSignal
}

export interface ParsedGenerateOptions extends SamplingOptions {
  max_new_tokens: number | null
  max_length: number | null
  eos_token_id: number | number[] | null
  use_cache: boolean | null
  seed: number | null
}

const later = 'this version generates by greedy search and sampling only.'

const optionSet: OptionSet<ParsedGenerateOptions> = {
  owner: 'generate',
  options: {
    max_new_tokens: {
      schema: z.int().min(1).nullable(),
      default: null,
      doc: 'Most tokens after the prompt.',
    },
    max_length: {
      schema: z.int().min(1).nullable(),
      default: null,
      doc: 'Most tokens, the prompt included.',
    },
    do_sample: {
      schema: z.boolean(),
      default: false,
      doc: 'Draw tokens instead of taking the most probable.',
    },
    temperature: { schema: z.number().positive(), default: 1, doc: 'Logits are divided by it.' },
    top_k: { schema: z.int().min(0), default: 50, doc: 'Draw among the k most probable; 0: all.' },
    top_p: {
      schema: z.number().gt(0).max(1),
      default: 1,
      doc: 'Draw among the most probable that together reach p.',
    },
    repetition_penalty: {
      schema: z.number().positive(),
      default: 1,
      doc: 'Above 1: seen tokens become less likely.',
    },
    eos_token_id: {
      schema: z.union([z.int(), z.array(z.int())]).nullable(),
      default: null,
      doc: 'Tokens that end the answer.',
    },
    use_cache: {
      schema: z.boolean().nullable(),
      default: null,
      doc: 'Keep keys and values of earlier tokens.',
    },
    seed: { schema: z.int().nullable(), default: null, doc: 'Seed of the draws.' },
  },
  refused: {
    num_beams: { default: 1, reason: later },
    num_return_sequences: { default: 1, reason: later },
    min_p: { default: null, reason: later },
    typical_p: { default: 1, reason: later },
    no_repeat_ngram_size: { default: 0, reason: later },
    stop_strings: { default: null, reason: later },
    min_new_tokens: { default: null, reason: later },
  },
}

/** Checks `given`; the model's generation_config.json fills what it leaves open, where this version knows the option. */
export function generateOptions(
  given: Omit<GenerateOptions, 'signal'>,
  defaults: Record<string, unknown>,
): ParsedGenerateOptions {
  const known = Object.entries(defaults).filter(
    ([name, value]) => name in optionSet.options && value !== null,
  )
  return parseOptions(optionSet, { ...Object.fromEntries(known), ...given })
}
