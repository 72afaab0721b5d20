import { setImmediate } from 'node:timers/promises'
import { uniformStream } from '../data/random'
import { decodeStep, KVCache } from '../models/decode'
import type { CausalLM } from '../models/causal-lm'
import type { IdRows } from '../models/padding'
import { checkIds } from '../models/token-ids'
import { logger } from '../logging'
import { knownNames } from '../options/declaration'
import { unknownNameError } from '../options/nearest'
import {
  generateOptions,
  generateOptionSet,
  type GenerateOptions,
  type ParsedGenerateOptions,
} from './options'
import { chooseToken } from './sampling'

const DEFAULT_NEW_TOKENS = 20

/** Prompts as token ids; rows of different length need no padding, padding is dropped by the mask. */
export interface GenerateInputs {
  input_ids: IdRows
  attention_mask?: IdRows
}

/**
 * Continues each prompt until an end token or the length limit. Returns prompt and answer as ids, one array a row, without
 * padding. Rows are computed one after another.
 * Warns once when prompt and answer have more tokens than the model's `max_position_embeddings`.
 * @throws Error on an unknown option, an empty prompt, an id that is none of the vocabulary, or when the signal is aborted.
 */
export async function generate(
  model: CausalLM,
  inputs: GenerateInputs,
  options: GenerateOptions = {},
): Promise<number[][]> {
  for (const name of Object.keys(inputs)) if (!inputNames.includes(name)) throw unknownInput(name)
  const parsed = generateOptions(options, model.generation_config)
  const uniform = uniformStream(parsed.seed ?? Math.floor(Math.random() * 2 ** 31))
  // All rows are checked before the first is answered.
  const prompts = inputs.input_ids.map((row, i) => promptOf(row, i, inputs.attention_mask, model))
  const rows: number[][] = []
  for (const prompt of prompts) rows.push(await generateRow(model, prompt, parsed, uniform))
  return rows
}

/** The row's ids without padding. */
function promptOf(
  row: IdRows[number],
  i: number,
  attention_mask: IdRows | undefined,
  { config: { vocab_size: vocabSize } }: CausalLM,
): number[] {
  const mask = attention_mask?.[i]
  if (attention_mask && mask?.length !== row.length)
    throw new Error(
      `[generate] attention_mask: row ${i} has ${mask?.length ?? 0} entries, input_ids has ${row.length}`,
    )
  checkIds(`[generate] input_ids: row ${i}`, row, { vocabSize, mask })
  const prompt = Array.from(row).filter((_, t) => !mask || mask[t])
  if (prompt.length === 0) throw new Error(`[generate] row ${i} has no token`)
  return prompt
}

const inputNames = ['input_ids', 'attention_mask']

function unknownInput(name: string): TypeError {
  if (!knownNames(generateOptionSet).includes(name))
    return unknownNameError('generate', name, inputNames, 'input')
  return new TypeError(
    `[generate] ${name} is an option: give it in a second object, generate({ input_ids }, { ${name} })`,
  )
}

function warnBeyondPositions(length: number, { config: { max_position_embeddings: most } }: CausalLM): void {
  if (length > most)
    logger.warning_once(
      `[generate] prompt and answer have more tokens than the model's max_position_embeddings, ${most}; beyond it answers may be poor`,
    )
}

async function generateRow(
  model: CausalLM,
  prompt: number[],
  o: ParsedGenerateOptions,
  uniform: () => number,
): Promise<number[]> {
  const limit =
    o.max_new_tokens !== null
      ? prompt.length + o.max_new_tokens
      : (o.max_length ?? prompt.length + DEFAULT_NEW_TOKENS)
  if (limit <= prompt.length)
    throw new Error(`[generate] max_length ${limit} leaves no room after a prompt of ${prompt.length} tokens`)
  const ends = new Set([o.eos_token_id ?? model.config.eos_token_id ?? []].flat())
  const cached = o.use_cache ?? model.config.use_cache
  const sequence = [...prompt]
  let cache = new KVCache(model, limit)
  try {
    let fresh = prompt
    while (sequence.length < limit) {
      o.signal?.throwIfAborted()
      warnBeyondPositions(sequence.length, model)
      if (!cached) {
        cache.dispose()
        cache = new KVCache(model, limit)
        fresh = sequence
      }
      const token = chooseToken(await decodeStep(model, fresh, cache), sequence, o, uniform)
      sequence.push(token)
      if (ends.has(token)) break
      fresh = [token]
      await setImmediate()
    }
    return sequence
  } finally {
    cache.dispose()
  }
}
