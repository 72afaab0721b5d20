import { z } from 'zod'
import { messageOf } from '../files/atomic'
import { logger } from '../logging'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { signal } from '../options/call'
import { countOrNull, flag, flagOrNull, count, real, textOrNull } from '../options/schemas'
import { notInResult, refusedGenerateOptions } from './refused-options'
import type { GenerateOptions, ParsedGenerateOptions } from './options.generated'

export type { GenerateOptions, ParsedGenerateOptions } from './options.generated'

const oneCache = 'Not needed: there is one cache; every kind of transformers gives the same answer.'

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
    pad_token_id: {
      schema: z.int().nullable(),
      default: null,
      inert: true,
      doc: 'Not needed: rows come back without padding.',
    },
    cache_implementation: { schema: textOrNull, default: null, inert: true, doc: oneCache },
    max_cache_len: { schema: countOrNull(1), default: null, inert: true, doc: oneCache },
    disable_compile: { schema: flagOrNull, default: null, inert: true, doc: 'Nothing is compiled.' },
    signal,
  },
  refused: refusedGenerateOptions,
}

/**
 * Checks `given`; what it leaves open comes from `defaults`, the model's generation_config.json.
 * A rule of that file that is not built is left out: a warning names it once, and another answer beats none.
 * @throws TypeError on an unknown option, or a value of either that an option does not take
 */
export function generateOptions(
  given: GenerateOptions,
  defaults: Record<string, unknown>,
): ParsedGenerateOptions {
  const open = Object.entries(defaults).filter(
    ([name, value]) => value !== null && given[name as keyof GenerateOptions] === undefined,
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
  return parseOptions(generateOptionSet, { ...given, ...Object.fromEntries(read) })
}
