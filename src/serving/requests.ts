import { uniformStream } from '../tensor/uniform-stream'
import type { ChatMessage } from '../data/chat-template'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { generateOptions, type GenerateOptions, type ParsedGenerateOptions } from '../generation/options'
import type { SequenceContext } from '../generation/sequence'
import { endsOf } from '../generation/stream'
import type { CausalLM } from '../models/causal-lm'
import { checkIds } from '../models/token-ids'
import { parseOptions } from '../options/parse'
import { HttpError } from './http-error'
import type { ParsedChatRequest, ParsedCompletionRequest, ParsedSamplingRequest } from './options.generated'
import { chatRequestSet, completionRequestSet } from './request-options'

/** The model and its settings that answer requests. */
export interface Served {
  model: CausalLM
  tokenizer: PreTrainedTokenizer
  name: string
  /** The most tokens of prompt and answer together. */
  maxLength: number
}

/** @throws TypeError on unknown fields and invalid values; null counts as not given. */
export function parseChat(body: object): ParsedChatRequest {
  return parseOptions(chatRequestSet, withoutNulls(body))
}

export function parseCompletion(body: object): ParsedCompletionRequest {
  return parseOptions(completionRequestSet, withoutNulls(body))
}

/** OpenAI's null means "not given"; but in a completion, max_tokens: null means no limit. */
function withoutNulls(body: object): object {
  return Object.fromEntries(
    Object.entries(body).filter(([name, value]) => value !== null || name === 'max_tokens'),
  )
}

/**
 * Ids of the conversation, ending with the text that begins the answer. @throws HttpError with the template's
 * own error.
 */
export async function chatPrompt(
  { tokenizer }: Served,
  { messages, chat_template_kwargs }: ParsedChatRequest,
): Promise<number[]> {
  if (tokenizer.chat_template === null)
    throw new HttpError(
      400,
      'this model has no chat template: use /v1/completions',
      'no_chat_template',
      'messages',
    )
  const turns = messages.map((message, i): ChatMessage => ({
    ...message,
    content: textOf(message.content, i),
  }))
  try {
    return await tokenizer.apply_chat_template(turns, {
      ...{ ...chat_template_kwargs, add_generation_prompt: true, return_dict: false },
    })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new HttpError(400, message, 'invalid_messages', 'messages')
  }
}

function textOf(content: unknown, i: number): string {
  if (content === undefined || content === null) return ''
  if (typeof content === 'string') return content
  const parts = Array.isArray(content) ? (content as { type?: unknown; text?: unknown }[]) : [{}]
  return parts
    .map(({ type, text }) => {
      if (type === 'text' && typeof text === 'string') return text
      throw new HttpError(
        400,
        `messages[${i}].content has to be a text, or parts of type 'text': the model reads nothing else`,
        'invalid_messages',
        'messages',
      )
    })
    .join('')
}

/** The prompts of a completion as ids. */
export async function completionPrompts(
  { tokenizer, model }: Served,
  { prompt }: ParsedCompletionRequest,
): Promise<number[][]> {
  const list = typeof prompt === 'string' || typeof prompt[0] === 'number' ? [prompt] : prompt
  const rows = (list as (string | number[])[]).map(async (one, i) => {
    const ids = typeof one === 'string' ? await tokenizer.encode(one) : one
    checkIds(`prompt ${i}`, ids, { vocabSize: model.config.vocab_size })
    if (ids.length === 0)
      throw new HttpError(
        400,
        `prompt ${i} has no token: the tokenizer adds none to an empty text`,
        'empty_prompt',
        'prompt',
      )
    return ids
  })
  return Promise.all(rows)
}

/** The most tokens of the answer. @throws HttpError when the prompt leaves no room. */
export function roomFor({ maxLength }: Served, prompt: readonly number[], asked: number | null): number {
  const room = maxLength - prompt.length
  if (room < 1 || (asked ?? 0) > room)
    throw new HttpError(
      400,
      `This model's maximum context length is ${maxLength} tokens. However, you requested ${prompt.length + (asked ?? 1)} tokens (${prompt.length} in the prompt, ${asked ?? 1} in the answer).`,
      'context_length_exceeded',
      'messages',
    )
  return asked ?? room
}

/** The request as options of `generate`. */
export function generationOf(
  { model, tokenizer }: Served,
  o: ParsedSamplingRequest,
  prompt: readonly number[],
  max_new_tokens: number,
): ParsedGenerateOptions {
  const own = model.generation_config
  const configured = (name: string, otherwise: number): number =>
    typeof own[name] === 'number' ? own[name] : otherwise
  const temperature = o.temperature ?? configured('temperature', 1)
  const biases = Object.entries(o.logit_bias).map(([id, bias]): [number[], number] => [[Number(id)], bias])
  const outside = biases.find(([[id]]) => id! >= model.config.vocab_size)
  if (outside)
    throw new HttpError(
      400,
      `logit_bias: token id ${outside[0][0]} is none of the vocabulary, which has ${model.config.vocab_size} tokens`,
      'invalid_value',
      'logit_bias',
    )
  const penalties = penaltyOf(o, prompt.length)
  const given: GenerateOptions = {
    max_new_tokens,
    do_sample: temperature > 0,
    temperature: temperature > 0 ? temperature : 1,
    top_p: o.top_p ?? configured('top_p', 1),
    top_k: Math.max(0, o.top_k ?? configured('top_k', 0)),
    min_p: o.min_p > 0 ? o.min_p : null,
    repetition_penalty: o.repetition_penalty ?? configured('repetition_penalty', 1),
    sequence_bias: biases.length > 0 ? biases : null,
    logits_processor: penalties ? [penalties] : null,
    // The rows of answers are those of the server's own batch.
    ...{ num_beams: 1, num_return_sequences: 1, stop_strings: null, prompt_lookup_num_tokens: null },
    ...{ guidance_scale: null, max_time: null, return_dict_in_generate: false },
  }
  return generateOptions({ ...given, ...endsOf(model, tokenizer, {}) }, own)
}

function penaltyOf(
  { frequency_penalty, presence_penalty }: ParsedSamplingRequest,
  begin: number,
): ((ids: readonly number[], scores: Float32Array) => Float32Array) | undefined {
  if (frequency_penalty === 0 && presence_penalty === 0) return undefined
  return (ids, scores) => {
    for (const id of ids.slice(begin)) scores[id]! -= frequency_penalty
    for (const id of new Set(ids.slice(begin))) scores[id]! -= presence_penalty
    return scores
  }
}

/** The context of answer `number` of the request. */
export function contextOf(
  { model }: Served,
  o: ParsedGenerateOptions,
  prompt: readonly number[],
  number: number,
  seed: number | null,
): SequenceContext {
  const ends = [o.eos_token_id ?? model.config.eos_token_id ?? []].flat()
  const limit = prompt.length + o.max_new_tokens!
  const start = seed ?? Math.floor(Math.random() * 2 ** 31)
  return { batch: 0, prompt, limit, ends, began: performance.now(), uniform: uniformStream(start + number) }
}
