import { randomUUID } from 'node:crypto'
import { Choice, type TokenLogprob } from './choice'
import type { Engine } from './engine'
import type { ParsedChatRequest, ParsedCompletionRequest, ParsedSamplingRequest } from './options.generated'
import { chatPrompt, completionPrompts, contextOf, generationOf, roomFor, type Served } from './requests'

/** Sends one event to a client that requested a stream. */
export type SendEvent = (event: object) => void

interface Asked {
  request: ParsedSamplingRequest
  prompts: number[][]
  maxTokens: number | null
  topLogprobs: number | undefined
}

/** The form of a route's answers. */
interface Form {
  id: string
  object: string
  chunkObject: string
  /** A complete choice. */
  choice(choice: Choice): object
  /** A part of a choice. An empty text without a reason is its beginning. */
  delta(
    index: number,
    text: string,
    logprobs: TokenLogprob[],
    reason: string | null,
    isFirst: boolean,
  ): object
}

/** Answers a conversation. With `send` the answer is sent in pieces, and the result is undefined. */
export async function answerChat(
  served: Served,
  engine: Engine,
  request: ParsedChatRequest,
  send: SendEvent | undefined,
  signal: AbortSignal,
): Promise<object | undefined> {
  const logprobs = (list: TokenLogprob[]): object | null =>
    request.logprobs
      ? { content: list.map(({ top, ...token }) => ({ ...token, top_logprobs: top })), refusal: null }
      : null
  const form: Form = {
    id: `chatcmpl-${randomUUID()}`,
    object: 'chat.completion',
    chunkObject: 'chat.completion.chunk',
    choice: (choice) => ({
      index: choice.index,
      message: { role: 'assistant', content: choice.text, refusal: null },
      logprobs: logprobs(choice.logprobs),
      finish_reason: choice.finishReason,
    }),
    delta: (index, text, list, finish_reason, isFirst) => ({
      index,
      delta: isFirst ? { role: 'assistant', content: '' } : finish_reason === null ? { content: text } : {},
      logprobs: list.length > 0 ? logprobs(list) : null,
      finish_reason,
    }),
  }
  const asked = {
    request,
    prompts: [await chatPrompt(served, request)],
    maxTokens: request.max_completion_tokens,
    topLogprobs: request.logprobs ? (request.top_logprobs ?? 0) : undefined,
  }
  return answer(served, engine, asked, form, send, signal)
}

/** Answers a completion. With `send` the answer is sent in pieces, and the result is undefined. */
export async function answerCompletion(
  served: Served,
  engine: Engine,
  request: ParsedCompletionRequest,
  send: SendEvent | undefined,
  signal: AbortSignal,
): Promise<object | undefined> {
  const prompts = await completionPrompts(served, request)
  const echoed = request.echo
    ? await served.tokenizer.batch_decode(prompts, { skip_special_tokens: true })
    : prompts.map(() => '')
  const promptOf = (index: number): string => echoed[Math.floor(index / request.n)]!
  const logprobs = (list: TokenLogprob[], begin: number): object | null => {
    if (request.logprobs === null) return null
    let at = begin
    return {
      tokens: list.map(({ token }) => token),
      token_logprobs: list.map(({ logprob }) => logprob),
      top_logprobs: list.map(({ top }) =>
        Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
      ),
      text_offset: list.map(({ token }) => (at += token.length) - token.length),
    }
  }
  const form: Form = {
    id: `cmpl-${randomUUID()}`,
    object: 'text_completion',
    chunkObject: 'text_completion',
    choice: (choice) => ({
      index: choice.index,
      text: promptOf(choice.index) + choice.text,
      logprobs: logprobs(choice.logprobs, promptOf(choice.index).length),
      finish_reason: choice.finishReason,
    }),
    delta: (index, text, list, finish_reason, isFirst) => ({
      index,
      text: isFirst ? promptOf(index) : text,
      logprobs: list.length > 0 ? logprobs(list, 0) : null,
      finish_reason,
    }),
  }
  const asked = {
    request,
    prompts,
    maxTokens: request.max_tokens,
    topLogprobs: request.logprobs ?? undefined,
  }
  return answer(served, engine, asked, form, send, signal)
}

async function answer(
  served: Served,
  engine: Engine,
  { request, prompts, maxTokens, topLogprobs }: Asked,
  form: Form,
  send: SendEvent | undefined,
  signal: AbortSignal,
): Promise<object | undefined> {
  const head = { id: form.id, created: Math.floor(Date.now() / 1000), model: served.name }
  const withUsage = request.stream_options?.include_usage === true
  const sendChoice = (choice: object): void =>
    send?.({ ...head, object: form.chunkObject, choices: [choice], ...(withUsage && { usage: null }) })
  const stops = request.stop === null ? [] : [request.stop].flat()
  // All prompts are checked before the first is answered.
  const choices = prompts.flatMap((prompt, p) => {
    const generation = generationOf(served, request, prompt, roomFor(served, prompt, maxTokens))
    return Array.from({ length: request.n }, (_, i) => {
      const index = p * request.n + i
      return new Choice(
        served.tokenizer,
        generation,
        contextOf(served, generation, prompt, index, request.seed),
        {
          ...{ index, stops, topLogprobs },
          onText: send && ((text, list) => sendChoice(form.delta(index, text, list, null, false))),
        },
      )
    })
  })
  const cancel = (): void => choices.forEach(({ sequence }) => engine.cancel(sequence))
  signal.addEventListener('abort', cancel, { once: true })
  try {
    for (const { index } of send ? choices : []) sendChoice(form.delta(index, '', [], null, true))
    await Promise.all(
      choices.map(async (choice) => {
        await engine.run(choice.sequence)
        await choice.end()
        sendChoice(form.delta(choice.index, '', [], choice.finishReason, false))
      }),
    )
  } catch (error) {
    // The whole request fails.
    cancel()
    throw error
  } finally {
    signal.removeEventListener('abort', cancel)
  }
  const prompt_tokens = prompts.reduce((n, ids) => n + ids.length, 0)
  const completion_tokens = choices.reduce((n, { sequence }) => n + sequence.answer.length, 0)
  const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
  if (!send)
    return { ...head, object: form.object, choices: choices.map((choice) => form.choice(choice)), usage }
  if (withUsage) send({ ...head, object: form.chunkObject, choices: [], usage })
  return undefined
}
