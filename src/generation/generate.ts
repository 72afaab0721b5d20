import { setImmediate } from 'node:timers/promises'
import { uniformStream } from '../tensor/uniform-stream'
import { logger } from '../logging'
import { nextSeed } from '../options/seed'
import type { CausalLM } from '../models/causal-lm'
import { KVCache } from '../models/kv-cache'
import { beamSearch } from './beam-search'
import { checkCombination } from './combinations'
import { DecodingBatch } from './decoding-batch'
import { generateOptions, type GenerateOptions, type ParsedGenerateOptions } from './options'
import { outputOf, type GenerateOutput } from './output'
import { promptsOf, type GenerateInputs } from './prompts'
import { Sequence, type SequenceContext } from './sequence'

export type { GenerateInputs } from './prompts'

const DEFAULT_NEW_TOKENS = 20

/**
 * Continues each prompt until an end token, another stop or the length limit; all rows are generated together.
 * Returns the ids of prompt and answer, one array per row, without padding; with `return_dict_in_generate` an
 * object with them as `sequences`. Warns once if prompt and answer exceed the model's
 * `max_position_embeddings`.
 * @throws Error on an unknown option, contradictory options, an empty prompt, an id outside the vocabulary, or
 * when the signal is aborted.
 */
export function generate(
  model: CausalLM,
  inputs: GenerateInputs,
  options: GenerateOptions & { return_dict_in_generate: true },
): Promise<GenerateOutput>
export function generate(
  model: CausalLM,
  inputs: GenerateInputs,
  options?: GenerateOptions,
): Promise<number[][]>
export async function generate(
  model: CausalLM,
  inputs: GenerateInputs,
  options: GenerateOptions = {},
): Promise<number[][] | GenerateOutput> {
  const o = generateOptions(options, model.generation_config)
  const prompts = promptsOf(inputs, model)
  checkCombination(o, prompts.length, model.config.vocab_size)
  const contexts = contextsOf(model, prompts, o)
  const output = o.num_beams > 1 ? await beamSearch(model, contexts, o) : await search(model, contexts, o)
  return o.return_dict_in_generate ? output : output.sequences
}

/** The context of each prompt's sequences. */
export function contextsOf(
  model: CausalLM,
  prompts: readonly number[][],
  o: ParsedGenerateOptions,
): SequenceContext[] {
  const began = performance.now()
  const seed = o.seed ?? nextSeed() ?? Math.floor(Math.random() * 2 ** 31)
  const ends = [o.eos_token_id ?? model.config.eos_token_id ?? []].flat()
  return prompts.map((prompt, batch) => {
    const limit = limitOf(prompt.length, o)
    return { batch, prompt, limit, ends, began, uniform: uniformStream(seed + batch) }
  })
}

function limitOf(length: number, { max_new_tokens, max_length }: ParsedGenerateOptions): number {
  const limit =
    max_new_tokens === null ? (max_length ?? length + DEFAULT_NEW_TOKENS) : length + max_new_tokens
  if (limit <= length)
    throw new Error(`[generate] max_length ${limit} leaves no room after a prompt of ${length} tokens`)
  return limit
}

/** Greedy search and sampling. */
async function search(
  model: CausalLM,
  contexts: readonly SequenceContext[],
  o: ParsedGenerateOptions,
): Promise<GenerateOutput> {
  const { streamer, past_key_values: kept } = o
  const onToken = streamer ? (token: number): unknown => streamer.put([token]) : undefined
  const answers = o.num_return_sequences
  const groups = contexts.map((context) =>
    Array.from({ length: answers }, () => new Sequence(o, { ...context, onToken })),
  )
  const sequences = groups.flat()
  const capacity = Math.max(
    ...sequences.map(({ limit, guide }) => limit + Math.max(0, (guide?.length ?? 0) - 1)),
  )
  const rows = sequences.reduce((n, { guide }) => n + (guide ? 2 : 1), 0)
  const cache = kept?.open(model, sequences[0]!.ids, capacity) ?? new KVCache(model, capacity, rows)
  try {
    await streamer?.put(contexts[0]!.prompt)
    const usesCache = o.use_cache ?? model.config.use_cache
    const batch = new DecodingBatch(model, cache, { usesCache, chunk: o.prefill_chunk_size ?? undefined })
    for (const [first, ...others] of groups) {
      // A guide has a row of its own, which is not copied.
      const copies = first!.guide ? [] : others
      batch.add(first!, { forks: copies, known: kept !== undefined && kept !== null })
      for (const other of first!.guide ? others : []) batch.add(other)
    }
    while (batch.size > 0) {
      o.signal?.throwIfAborted()
      warnBeyondPositions(Math.max(...sequences.map(({ ids }) => ids.length)), model)
      await batch.step()
      const failed = sequences.find(({ finished }) => finished === 'error')
      if (failed) throw failed.error
      await setImmediate()
    }
    await streamer?.end()
    return outputOf(sequences, o)
  } finally {
    if (kept) kept.close(sequences[0]!.ids)
    else cache.dispose()
  }
}

export function warnBeyondPositions(
  length: number,
  { config: { max_position_embeddings: most } }: CausalLM,
): void {
  if (length > most)
    logger.warning_once(
      `[generate] prompt and answer have more tokens than the model's max_position_embeddings, ${most}; beyond it answers may be poor`,
    )
}
