import { z } from 'zod'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { signal } from '../options/call'
import { countOrNull, flag, flagOrNull, count, real } from '../options/schemas'
import type { GenerateOptions, ParsedGenerateOptions } from './options.generated'

export type { GenerateOptions, ParsedGenerateOptions } from './options.generated'

const later = 'this version generates by greedy search and sampling only.'

export const generateOptionSet: OptionSet<ParsedGenerateOptions> = {
  owner: 'generate',
  options: {
    max_new_tokens: {
      schema: countOrNull(1),
      default: null,
      doc: 'Most tokens after the prompt; null: what max_length leaves, else 20.',
    },
    max_length: {
      schema: countOrNull(1),
      default: null,
      doc: 'Most tokens of prompt and answer together; max_new_tokens wins.',
    },
    do_sample: {
      schema: flag,
      default: false,
      doc: 'true: draw each token by its probability; false: take the most probable.',
    },
    temperature: {
      schema: real({ above: 0 }),
      default: 1,
      doc: 'Logits are divided by it before a draw: below 1 prefers probable tokens.',
    },
    top_k: {
      schema: count(0),
      default: 50,
      doc: 'Draw among the so many most probable tokens; 0: among all.',
    },
    top_p: {
      schema: real({ above: 0, max: 1 }),
      default: 1,
      doc: 'Draw among the fewest most probable tokens whose probabilities add up to this; 1: among all.',
    },
    repetition_penalty: {
      schema: real({ above: 0 }),
      default: 1,
      doc: 'Above 1: tokens seen before become less likely (Keskar et al. 2019); 1: off.',
    },
    eos_token_id: {
      schema: z.union([z.int(), z.array(z.int())]).nullable(),
      default: null,
      doc: 'Token id, or ids, after any of which the answer ends; null: those of the model.',
    },
    use_cache: {
      schema: flagOrNull,
      default: null,
      doc: "Keep keys and values of earlier tokens; false computes the whole sequence for each token. null: as the model's config says.",
    },
    seed: {
      schema: z.int().nullable(),
      default: null,
      doc: 'Seed of the draws (ours); null: another one each time.',
    },
    signal,
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
  given: GenerateOptions,
  defaults: Record<string, unknown>,
): ParsedGenerateOptions {
  const known = Object.entries(defaults).filter(
    ([name, value]) => name in generateOptionSet.options && value !== null,
  )
  return parseOptions(generateOptionSet, { ...Object.fromEntries(known), ...given })
}
