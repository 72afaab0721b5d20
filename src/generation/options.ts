import { z } from 'zod'
import { messageOf } from '../files/atomic'
import { logger } from '../logging'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { optionalObject, signal } from '../options/call'
import {
  count,
  countOrNull,
  flag,
  flagOrNull,
  nameOrNames,
  real,
  realOrNull,
  textOrNull,
} from '../options/schemas'
import { notInResult, refusedGenerateOptions } from './refused-options'
import { scoreOptions } from './score-options'
import type { GenerateOptions, ParsedGenerateOptions } from './options.generated'

export type { GenerateOptions, ParsedGenerateOptions } from './options.generated'

// Common in generation_config.json and in scripts, so no warning is shown.
const inert = { inert: true, silent: true } as const

const oneCache = 'Not needed: there is one cache; every kind of transformers gives the same answer.'
const tokenIds = z
  .union([z.int(), z.array(z.int())])
  .nullable()
  .describe('a token id, a list of token ids, or null')
const has = (...methods: string[]): ((value: unknown) => boolean) => {
  return (value) =>
    typeof value === 'object' &&
    methods.every((name) => typeof (value as Record<string, unknown> | null)?.[name] === 'function')
}

export const generateOptionSet: OptionSet<ParsedGenerateOptions> = {
  owner: 'generate',
  options: {
    max_new_tokens: {
      schema: countOrNull(1),
      default: null,
      doc: 'The most tokens after the prompt; null: what max_length allows, else 20.',
    },
    max_length: {
      schema: countOrNull(1),
      default: null,
      doc: 'The most tokens of prompt and answer together; max_new_tokens has priority.',
    },
    max_time: {
      schema: realOrNull({ min: 0 }),
      default: null,
      doc: 'Seconds after which answers end, after the current token; null: no limit.',
    },
    stop_strings: {
      schema: nameOrNames,
      default: null,
      doc: 'Text, or texts, that end an answer; the answer includes it. Needs `tokenizer`.',
    },
    eos_token_id: {
      schema: tokenIds,
      default: null,
      doc: 'Token id, or ids, that end the answer; null: those of the model.',
    },
    do_sample: {
      schema: flag,
      default: false,
      doc: 'true: draw each token according to its probability; false: take the most probable one.',
    },
    num_return_sequences: {
      schema: count(1),
      default: 1,
      doc: 'Answers to each prompt, one after another in the result; above 1 with do_sample or num_beams.',
    },
    num_beams: {
      schema: count(1),
      default: 1,
      doc: 'Number of beams per prompt in beam search; 1: off.',
    },
    length_penalty: {
      schema: real(),
      default: 1,
      doc: "Beam search: an answer's log probability is divided by its length to this power; above 0 prefers long answers.",
    },
    early_stopping: {
      schema: z.union([z.boolean(), z.literal('never')]) as never,
      default: false,
      doc: "Beam search ends: true: with num_beams answers; false: when a better one is unlikely; 'never': when no better one is possible.",
      type: "boolean | 'never'",
    },
    ...scoreOptions,
    prompt_lookup_num_tokens: {
      schema: countOrNull(1),
      default: null,
      doc: 'Guess this many next tokens if the end of the sequence occurs earlier in it, and check them in one step: the same answer in fewer steps if it repeats its prompt. null: off.',
    },
    max_matching_ngram_size: {
      schema: countOrNull(1),
      default: null,
      doc: 'The most tokens at the end of the sequence that prompt_lookup_num_tokens searches for; null: 2.',
    },
    use_cache: {
      schema: flagOrNull,
      default: null,
      doc: "Keep keys and values of earlier tokens; false computes the whole sequence for each token. null: that of the model's config.",
    },
    past_key_values: optionalObject(
      'DynamicCache | null',
      'a DynamicCache, or null',
      (value) => value === null || has('prefixOf')(value),
      'Keys and values of an earlier call with one prompt: the common beginning is not computed again. Afterwards it contains this call.',
    ),
    prefill_chunk_size: {
      schema: countOrNull(1),
      default: null,
      doc: 'The most prompt tokens of one step, over all rows; fewer need less memory. null: 8192.',
    },
    return_dict_in_generate: {
      schema: flag,
      default: false,
      doc: 'Return an object with `sequences` and the other requested results, in place of the ids.',
    },
    output_scores: {
      schema: flag,
      default: false,
      doc: 'Also return `scores`, the logits after all rules, float32 [vocab] by step and row. With return_dict_in_generate.',
    },
    output_logits: {
      schema: flag,
      default: false,
      doc: 'Also return `logits`, those of the model, float32 [vocab] by step and row. With return_dict_in_generate.',
    },
    streamer: optionalObject(
      'BaseStreamer | null',
      'an object with put and end, or null',
      (value) => value === null || has('put', 'end')(value),
      'Receives the ids of the prompt, then those of the answer while it is generated, such as a TextStreamer; one prompt, without beams.',
    ),
    tokenizer: optionalObject(
      'PreTrainedTokenizer | null',
      'a tokenizer, or null',
      (value) => value === null || has('batch_decode')(value),
      "The model's tokenizer, which stop_strings need.",
    ),
    generation_config: optionalObject(
      'GenerationConfig | Readonly<Record<string, unknown>> | null',
      'a GenerationConfig or an object of options, or null',
      (value) => typeof value === 'object' && !Array.isArray(value),
      "Options for those that the call does not set; they have priority over the model's generation_config.json.",
    ),
    seed: {
      schema: z.int().nullable(),
      default: null,
      doc: 'Seed of the random numbers (ours); null: another one each time.',
    },
    pad_token_id: {
      schema: z.int().nullable(),
      default: null,
      ...inert,
      doc: 'Not needed: rows come back without padding.',
    },
    cache_implementation: { schema: textOrNull, default: null, ...inert, doc: oneCache },
    max_cache_len: { schema: countOrNull(1), default: null, ...inert, doc: oneCache },
    disable_compile: { schema: flagOrNull, default: null, ...inert, doc: 'Nothing is compiled.' },
    signal,
  },
  refused: refusedGenerateOptions,
}

/**
 * Checks `given`. Missing options come from its generation_config, then from `defaults`, the model's
 * generation_config.json. An option of that file that is not supported is ignored with one warning, since an
 * answer without it is better than none.
 * @throws TypeError on an unknown option, or an invalid value in any of them.
 */
export function generateOptions(
  given: GenerateOptions,
  defaults: Record<string, unknown>,
): ParsedGenerateOptions {
  const called = { ...settings(given.generation_config ?? {}), ...settings(given) }
  const open = Object.entries(defaults).filter(
    ([name, value]) => value !== null && !Object.hasOwn(called, name),
  )
  const { options, refused } = generateOptionSet
  const read = open.filter(([name]) => Object.hasOwn(options, name))
  const fromFile = { ...generateOptionSet, owner: "generate: the model's generation_config.json" }
  parseOptions(fromFile, Object.fromEntries(read))
  for (const [name, value] of open) {
    if (!Object.hasOwn(refused, name) || notInResult.has(name)) continue
    try {
      parseOptions(fromFile, { [name]: value })
    } catch (error) {
      logger.warning_once(`${messageOf(error)} The model answers without it`)
    }
  }
  return parseOptions(generateOptionSet, { ...called, ...Object.fromEntries(read) })
}

/** The given options: not undefined and, in a configuration, not null, which means "not given" there. */
function settings(given: object): Record<string, unknown> {
  const fields = 'to_dict' in given ? (given as { to_dict(): object }).to_dict() : given
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
