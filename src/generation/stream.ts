import type { ChatMessage } from '../data/chat-template'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { CausalLM } from '../models/causal-lm'
import { show } from '../options/parse'
import { Detokenizer } from './detokenizer'
import { generate } from './generate'
import type { GenerateOptions } from './options'
import type { GenerateInputs } from './prompts'

/** A text, a conversation that the chat template renders, or ids. */
export type StreamInputs = string | readonly ChatMessage[] | GenerateInputs

export interface StreamOptions extends GenerateOptions {
  /** The model's tokenizer. */
  tokenizer: PreTrainedTokenizer
  /** Omit special tokens from the text. Default true. */
  skip_special_tokens?: boolean
}

/**
 * Yields the text of an answer while it is generated: `for await (const text of model.stream(messages, {
 * tokenizer })) ...`. All pieces together are the answer's text; characters are never split. An interrupt
 * (Ctrl-C, a notebook's stop) ends the loop after the text so far; so does leaving the loop.
 * @throws Error like `generate`; TypeError without a tokenizer.
 */
export async function* stream(
  model: CausalLM,
  inputs: StreamInputs,
  { skip_special_tokens = true, ...options }: StreamOptions,
): AsyncGenerator<string, void, undefined> {
  const { tokenizer } = options
  if (!tokenizer) throw new TypeError('[stream] tokenizer is missing: give the one of the model')
  const detokenizer = new Detokenizer(tokenizer, { skip_special_tokens })
  const ready: string[] = []
  let wake = (): void => {}
  let isPrompt = true
  const streamer = {
    put: async (ids: readonly number[]): Promise<void> => {
      if (!isPrompt) ready.push(await detokenizer.push(ids))
      isPrompt = false
      wake()
    },
    end: (): void => {},
  }
  const ids = await idsOf(inputs, tokenizer)
  const stopped = new AbortController()
  const stop = (): void => stopped.abort()
  process.once('SIGINT', stop)
  const signal = options.signal ? AbortSignal.any([options.signal, stopped.signal]) : stopped.signal
  const ends = endsOf(model, tokenizer, options)
  let isOver = false
  const run = generate(model, ids, { ...options, ...ends, signal, streamer })
    .then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    .finally(() => {
      isOver = true
      wake()
    })
  try {
    while (!isOver || ready.length > 0) {
      if (ready.length > 0) {
        const text = ready.shift()!
        if (text !== '') yield text
      } else await new Promise<void>((resolve) => (wake = resolve))
    }
    const failure = await run
    if (failure && !stopped.signal.aborted) throw failure.error
    const rest = await detokenizer.end()
    if (rest !== '') yield rest
  } finally {
    process.off('SIGINT', stop)
    stopped.abort()
    await run
  }
}

/** The tokenizer's end token, if neither the call nor the model defines an end token. */
export function endsOf(
  model: CausalLM,
  tokenizer: PreTrainedTokenizer,
  { eos_token_id, generation_config }: GenerateOptions,
): GenerateOptions {
  const known =
    eos_token_id ??
    (generation_config as GenerateOptions | null | undefined)?.eos_token_id ??
    model.generation_config['eos_token_id'] ??
    model.config.eos_token_id
  return known === undefined || known === null ? { eos_token_id: tokenizer.eos_token_id } : {}
}

async function idsOf(inputs: StreamInputs, tokenizer: PreTrainedTokenizer): Promise<GenerateInputs> {
  if (typeof inputs === 'string') return { input_ids: [await tokenizer.encode(inputs)] }
  if (Array.isArray(inputs)) {
    const chat = { add_generation_prompt: true, return_dict: false } as const
    return { input_ids: [await tokenizer.apply_chat_template(inputs as ChatMessage[], chat)] }
  }
  if (typeof inputs === 'object' && inputs !== null && 'input_ids' in inputs) return inputs as GenerateInputs
  throw new TypeError(`[stream] got ${show(inputs)}, needs a text, a list of messages, or { input_ids }`)
}
