import { onTestFinished } from 'vitest'
import type { PreTrainedTokenizer } from '../../src/data/tokenizer'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import { serve, type RunningServer, type ServeOptions } from '../../src/serving/serve'
import { tinyTokenizer } from '../data/tiny'
import { writeModel } from '../models/write-model'

/** A random model whose vocabulary is the tiny tokenizer's: single bytes and a few words. */
export async function byteModel(config: Record<string, unknown> = {}): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.from_pretrained(await writeModel({ vocab_size: 265, ...config }))
  onTestFinished(() => model.dispose())
  return model
}

export interface Served {
  server: RunningServer
  model: CausalLM
  tokenizer: PreTrainedTokenizer
  /** Sends JSON; `path` begins behind /v1. */
  post(path: string, body: unknown, init?: RequestInit): Promise<{ status: number; body: Reply }>
  /** The events of a streamed answer; the last is '[DONE]' or an error. */
  events(path: string, body: object): Promise<(Reply | '[DONE]')[]>
}

/** What answers are read as. */
export interface Reply {
  id: string
  object: string
  model: string
  choices: {
    index: number
    text: string
    message: { role: string; content: string }
    delta: { role?: string; content?: string }
    finish_reason: string | null
    logprobs: Logprobs | null
  }[]
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number } | null
  error: { message: string; type: string; param: string | null; code: string | null }
}

interface Logprobs {
  content: {
    token: string
    logprob: number
    bytes: number[]
    top_logprobs: { token: string; logprob: number }[]
  }[]
  tokens: string[]
  token_logprobs: number[]
  top_logprobs: Record<string, number>[]
  text_offset: number[]
}

export async function servedTiny(
  options: ServeOptions = {},
  {
    config = {},
    tokenizer: settings = {},
  }: { config?: Record<string, unknown>; tokenizer?: Record<string, unknown> } = {},
): Promise<Served> {
  const [model, tokenizer] = [await byteModel(config), await tinyTokenizer(settings)]
  const server = await serve(model, tokenizer, { port: 0, served_model_name: 'tiny', ...options })
  onTestFinished(() => server.close())
  const send = (path: string, body: unknown, init: RequestInit = {}): Promise<Response> =>
    fetch(server.url + path, {
      ...{ method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) },
      ...init,
      headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
    })
  return {
    ...{ server, model, tokenizer },
    post: async (path, body, init) => {
      const response = await send(path, body, init)
      return { status: response.status, body: (await response.json()) as Reply }
    },
    events: async (path, body) => {
      const response = await send(path, { ...body, stream: true })
      const lines = (await response.text()).split('\n\n').filter((line) => line !== '')
      return lines.map((line) => {
        const data = line.replace(/^data: /, '')
        return data === '[DONE]' ? data : (JSON.parse(data) as Reply)
      })
    },
  }
}
