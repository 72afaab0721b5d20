import { setImmediate } from 'node:timers/promises'
import { uniformStream } from '../data/random'
import { decodeStep, KVCache } from '../models/decode'
import type { CausalLM } from '../models/causal-lm'
import type { IdRows } from '../models/padding'
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
 * @throws Error on an unknown option, an empty prompt, or when the signal is aborted.
 */
export async function generate(
  model: CausalLM,
  inputs: GenerateInputs,
  options: GenerateOptions = {},
): Promise<number[][]> {
  for (const name of Object.keys(inputs)) if (!inputNames.includes(name)) throw unknownInput(name)
  const parsed = generateOptions(options, model.generation_config)
  const uniform = uniformStream(parsed.seed ?? Math.floor(Math.random() * 2 ** 31))
  const rows: number[][] = []
  for (const [i, row] of inputs.input_ids.entries()) {
    const prompt = Array.from(row).filter((_, t) => !inputs.attention_mask || inputs.attention_mask[i]![t])
    if (prompt.length === 0) throw new Error(`[generate] row ${i} has no token`)
    rows.push(await generateRow(model, prompt, parsed, uniform))
  }
  return rows
}

const inputNames = ['input_ids', 'attention_mask']

function unknownInput(name: string): TypeError {
  if (!knownNames(generateOptionSet).includes(name))
    return unknownNameError('generate', name, inputNames, 'input')
  return new TypeError(
    `[generate] ${name} is an option: give it in a second object, generate({ input_ids }, { ${name} })`,
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
