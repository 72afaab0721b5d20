import { request } from 'node:http'
import { describe, expect, it, vi, onTestFinished } from 'vitest'
import '../../src/generation/mixin'
import { pipeline } from '../../src/generation/pipeline'
import { serve } from '../../src/serving/serve'
import { tinyTokenizer } from '../data/tiny'
import { liveBytes } from '../models/tiny'
import { byteModel, servedTiny, type Reply } from './served'

const messages = [{ role: 'user', content: 'hello' }]
const greedy = { model: 'tiny', temperature: 0, max_tokens: 24 }

describe('chat completions', () => {
  it('are the answers of generate; usage counts tokens', async () => {
    const { post, model, tokenizer } = await servedTiny()
    const pipe = await pipeline('text-generation', { model, tokenizer })
    const [wanted] = await pipe(messages, { max_new_tokens: 24, return_full_text: false })
    const { status, body } = await post('/chat/completions', { ...greedy, messages })
    expect(status).toBe(200)
    expect(body).toMatchObject({ object: 'chat.completion', model: 'tiny' })
    expect(body.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: wanted!.generated_text, refusal: null },
        logprobs: null,
        finish_reason: 'length',
      },
    ])
    const prompt = await tokenizer.apply_chat_template(messages, {
      add_generation_prompt: true,
      return_dict: false,
    })
    expect(body.usage).toEqual({
      prompt_tokens: prompt.length,
      completion_tokens: 24,
      total_tokens: prompt.length + 24,
    })
    const parts = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'hel' },
          { type: 'text', text: 'lo' },
        ],
      },
    ]
    const again = await post('/chat/completions', {
      ...greedy,
      messages: parts,
      max_tokens: null,
      max_completion_tokens: 24,
    })
    expect(again.body.choices).toEqual(body.choices)
  })

  it('stream the same text in pieces, with usage when asked', async () => {
    const { post, events } = await servedTiny()
    const asked = { ...greedy, messages, n: 2, temperature: 1.5, seed: 4, max_tokens: 40 }
    const whole = (await post('/chat/completions', asked)).body
    const found = await events('/chat/completions', { ...asked, stream_options: { include_usage: true } })
    expect(found.at(-1)).toBe('[DONE]')
    const chunks = found.slice(0, -1) as Reply[]
    expect(new Set(chunks.map(({ object }) => object))).toEqual(new Set(['chat.completion.chunk']))
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage })
    for (const { index, message, finish_reason } of whole.choices) {
      const own = chunks.flatMap(({ choices }) => choices.filter((choice) => choice.index === index))
      expect(own[0]!.delta).toEqual({ role: 'assistant', content: '' })
      expect(own.map(({ delta }) => delta.content ?? '').join('')).toBe(message.content)
      expect(own.at(-1)).toMatchObject({ delta: {}, finish_reason })
      expect(own.length).toBeGreaterThan(5)
    }
    expect(whole.choices[0]!.message).not.toEqual(whole.choices[1]!.message)
  })

  it('end before a stop string, which a stream never shows in part', async () => {
    const { post, events } = await servedTiny()
    const asked = { ...greedy, messages, temperature: 1, seed: 9, max_tokens: 80 }
    const whole = (await post('/chat/completions', asked)).body.choices[0]!.message.content
    const stop = whole.slice(20, 23)
    const at = whole.indexOf(stop)
    const cut = (await post('/chat/completions', { ...asked, stop: ['never there', stop] })).body
    expect(cut.choices[0]).toMatchObject({ message: { content: whole.slice(0, at) }, finish_reason: 'stop' })
    expect(cut.usage!.completion_tokens).toBeLessThan(80)
    const pieces = ((await events('/chat/completions', { ...asked, stop })).slice(0, -1) as Reply[]).flatMap(
      ({ choices }) => choices.map(({ delta }) => delta.content ?? ''),
    )
    expect(pieces.join('')).toBe(whole.slice(0, at))
  })

  it('end at an end token, which counts as one', async () => {
    const { post, model } = await servedTiny()
    const [ids] = await model.generate({ input_ids: [[1, 2, 3]] }, { max_new_tokens: 1 })
    Object.assign(model.generation_config, { eos_token_id: ids![3] })
    const { choices, usage } = (await post('/completions', { ...greedy, prompt: [1, 2, 3] })).body
    expect(choices[0]!.finish_reason).toBe('stop')
    expect(usage).toEqual({ prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 })
  })

  it('tell log probabilities: those of the model, before any rule', async () => {
    const { post, model, tokenizer } = await servedTiny()
    const asked = {
      ...greedy,
      messages,
      max_tokens: 4,
      logprobs: true,
      top_logprobs: 3,
      logit_bias: { '50': 100 },
    }
    const { choices } = (await post('/chat/completions', asked)).body
    const { content } = choices[0]!.logprobs!
    expect(content.length).toBe(4)
    const prompt = await tokenizer.apply_chat_template(messages, {
      add_generation_prompt: true,
      return_dict: false,
    })
    const { logits } = await model.forward({ input_ids: [prompt] })
    const last = (await logits.data()).slice(-265)
    logits.dispose()
    const total = Math.log(last.reduce((sum, v) => sum + Math.exp(v), 0))
    expect(content[0]!.token).toBe(await tokenizer.decode([50]))
    expect(Math.abs(content[0]!.logprob - (last[50]! - total))).toBeLessThanOrEqual(2e-5)
    const best = Array.from(last.keys())
      .sort((a, b) => last[b]! - last[a]!)
      .slice(0, 3)
    expect(content[0]!.top_logprobs.map(({ token }) => token)).toEqual(
      await tokenizer.batch_decode(best.map((id) => [id])),
    )
    expect(Math.abs(content[0]!.top_logprobs[0]!.logprob - (last[best[0]!]! - total))).toBeLessThanOrEqual(
      2e-5,
    )
  })
})

describe('completions', () => {
  it('continue texts and ids, several at once, with echo and log probabilities', async () => {
    const { post, model, tokenizer } = await servedTiny()
    const prompts = ['hello', 'w', 'a b']
    const pipe = await pipeline('text-generation', { model, tokenizer })
    const wanted = (await pipe(prompts, { max_new_tokens: 24, return_full_text: false })).map(
      ([answer]) => answer!.generated_text,
    )
    const { body } = await post('/completions', { ...greedy, prompt: prompts })
    expect(body.object).toBe('text_completion')
    expect(body.choices.map(({ text }) => text)).toEqual(wanted)
    const ids = await Promise.all(prompts.map((prompt) => tokenizer.encode(prompt)))
    const byIds = await post('/completions', { ...greedy, prompt: ids, echo: true, logprobs: 2 })
    expect(byIds.body.choices.map(({ text }) => text)).toEqual(
      wanted.map((text, i) => prompts[i]! + (text as string)),
    )
    const { logprobs, text } = byIds.body.choices[1]!
    expect(logprobs!.tokens.join('')).toBe(text.slice(1))
    expect(logprobs!.text_offset[0]).toBe(1)
    expect(Object.keys(logprobs!.top_logprobs[0]!).length).toBeLessThanOrEqual(2)
  })

  it('frequency and presence penalties count the answer alone', async () => {
    const { post, tokenizer } = await servedTiny()
    const prompt = await tokenizer.encode('hello')
    const biases = { '30': 100, '31': 96 }
    const ask = async (more: object): Promise<string[]> => {
      const asked = { ...greedy, max_tokens: 6, prompt, logprobs: 0, logit_bias: biases, ...more }
      return (await post('/completions', asked)).body.choices[0]!.logprobs!.tokens
    }
    const [a, b] = await tokenizer.batch_decode([[30], [31]])
    const six = Array(6).fill(a)
    expect(await ask({})).toEqual(six)
    // Two less however often it came: the other is four behind.
    expect(await ask({ presence_penalty: 2 })).toEqual(six)
    expect(await ask({ prompt: [1, 30, 30, 30, 30], max_tokens: 1, frequency_penalty: 2 })).toEqual([a])
    const often = await ask({ frequency_penalty: 2 })
    expect(often.slice(0, 2)).toEqual([a, a])
    expect(often).toContain(b)
  })
})

it('64 clients at once: every one gets the answer to its own question', async () => {
  const { post, events } = await servedTiny({ max_num_seqs: 8 })
  const asked = (i: number): object => ({
    ...greedy,
    max_tokens: 4 + (i % 9),
    messages: [{ role: 'user', content: `question ${i} ${'x'.repeat(i % 7)}` }],
  })
  const alone: string[] = []
  for (let i = 0; i < 8; i++)
    alone.push((await post('/chat/completions', asked(i))).body.choices[0]!.message.content)
  const found = await Promise.all(
    Array.from({ length: 64 }, async (_, i) => {
      if (i % 2 === 0) return (await post('/chat/completions', asked(i % 8))).body.choices[0]!.message.content
      const chunks = (await events('/chat/completions', asked(i % 8))).slice(0, -1) as Reply[]
      return chunks.map(({ choices }) => choices[0]!.delta.content ?? '').join('')
    }),
  )
  expect(found).toEqual(Array.from({ length: 64 }, (_, i) => alone[i % 8]))
})

describe('bad requests', () => {
  const bad: [string, unknown, number, string][] = [
    ['/chat/completions', '{', 400, 'We could not parse the JSON body of your request'],
    ['/chat/completions', [], 400, 'the body has to be a JSON object'],
    ['/chat/completions', {}, 400, 'messages is missing: give a list of messages'],
    [
      '/chat/completions',
      { messages: [] },
      400,
      'messages: got [], needs a list of messages, each with a role',
    ],
    [
      '/chat/completions',
      { messages: [{ content: 'a' }] },
      400,
      'needs a list of messages, each with a role',
    ],
    [
      '/chat/completions',
      { messages, temprature: 1 },
      400,
      "unknown option 'temprature'. Did you mean 'temperature'?",
    ],
    [
      '/chat/completions',
      { messages, temperature: 3 },
      400,
      'temperature: got 3, needs a number >= 0 and <= 2',
    ],
    ['/chat/completions', { messages, n: 0 }, 400, 'n: got 0, needs'],
    ['/chat/completions', { messages, tools: [{}] }, 400, 'tools = [{}] is not supported: calls of tools'],
    [
      '/chat/completions',
      { messages, model: 'gpt-4o' },
      404,
      "The model 'gpt-4o' does not exist; this server has 'tiny'.",
    ],
    [
      '/chat/completions',
      { messages, max_tokens: 600 },
      400,
      "This model's maximum context length is 512 tokens",
    ],
    [
      '/chat/completions',
      { messages, logit_bias: { '900': 1 } },
      400,
      'logit_bias: token id 900 is none of the',
    ],
    [
      '/chat/completions',
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      400,
      "parts of type 'text'",
    ],
    [
      '/completions',
      { prompt: [[1], [999]] },
      400,
      'prompt 1, position 0: got 999; expected an integer from 0 to 264',
    ],
    ['/completions', { prompt: 'a'.repeat(600) }, 400, "This model's maximum context length is 512 tokens"],
    ['/completions', { prompt: 'a', suffix: 'b' }, 400, "suffix = 'b' is not supported"],
    ['/embeddings', {}, 404, 'POST /v1/embeddings: there is no such route'],
  ]
  it('are answered in the shape of OpenAI errors, and the server goes on', async () => {
    const { post } = await servedTiny()
    for (const [path, given, status, message] of bad) {
      const { status: found, body } = await post(path, given)
      expect([found, body.error.message, body.error.type], JSON.stringify(given)).toEqual([
        status,
        expect.stringContaining(message),
        'invalid_request_error',
      ])
      expect(Object.keys(body.error)).toEqual(['message', 'type', 'param', 'code'])
    }
    const long = await post('/chat/completions', { messages, max_tokens: 600 })
    expect(long.body.error.code).toBe('context_length_exceeded')
    const plain = await post('/chat/completions', { messages }, { headers: { 'content-type': 'text/plain' } })
    expect([plain.status, plain.body.error.code]).toEqual([415, 'unsupported_media_type'])
    const huge = await post('/completions', { prompt: 'a'.repeat(17 * 2 ** 20) })
    expect([huge.status, huge.body.error.code]).toEqual([413, 'request_too_large'])
    expect((await post('/chat/completions', { ...greedy, messages })).status).toBe(200)
  })

  it('a model without a chat template says so', async () => {
    const { post } = await servedTiny({}, { tokenizer: { chat_template: null } })
    const { status, body } = await post('/chat/completions', { messages })
    expect([status, body.error.code]).toEqual([400, 'no_chat_template'])
  })

  it('more than may wait gets 429', async () => {
    const { post, server } = await servedTiny({ max_num_seqs: 1, max_queue: 1 })
    const leave = new AbortController()
    const long = await fetch(`${server.url}/completions`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, signal: leave.signal },
      body: JSON.stringify({ ...greedy, prompt: 'a', n: 2, max_tokens: 500, stream: true }),
    })
    // Its first piece has come: one of the two answers is being made, the other waits.
    await long.body!.getReader().read()
    const { status, body } = await post('/completions', { ...greedy, prompt: 'a' })
    expect([status, body.error.code]).toEqual([429, 'rate_limit_exceeded'])
    leave.abort()
    await vi.waitFor(async () => {
      expect((await post('/completions', { ...greedy, max_tokens: 1, prompt: 'a' })).status).toBe(200)
    })
  })
})

describe('who may ask', () => {
  it('another host than this machine needs a key', async () => {
    const [model, tokenizer] = [await byteModel(), await tinyTokenizer()]
    vi.stubEnv('QLORA_API_KEY', undefined)
    onTestFinished(() => void vi.unstubAllEnvs())
    await expect(serve(model, tokenizer, { host: '0.0.0.0', port: 0 })).rejects.toThrow(
      "[serve] host '0.0.0.0' can be reached from other machines: give api_key (or set QLORA_API_KEY)",
    )
    await expect(serve(model, tokenizer, { prot: 0 } as never)).rejects.toThrow("Did you mean 'port'?")
  })

  it('with a key every request needs it, but those after health', async () => {
    const { post, server } = await servedTiny({ api_key: 'secret' })
    for (const headers of [undefined, { authorization: 'Bearer wrong' }]) {
      const { status, body } = await post('/completions', { prompt: 'a' }, headers && { headers })
      expect([status, body.error.code, body.error.type]).toEqual([
        401,
        'invalid_api_key',
        'authentication_error',
      ])
      expect(JSON.stringify(body)).not.toContain('secret')
    }
    const right = await post(
      '/completions',
      { ...greedy, prompt: 'a' },
      { headers: { authorization: 'Bearer secret' } },
    )
    expect(right.status).toBe(200)
    expect((await fetch(server.url.replace('/v1', '/health'))).status).toBe(200)
  })

  it('without a key only names of this machine are answered', async () => {
    const { server } = await servedTiny()
    const statusFor = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const sent = request(`${server.url}/models`, { headers: { host } }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
        sent.on('error', reject).end()
      })
    expect(await statusFor(`localhost:${server.port}`)).toBe(200)
    expect(await statusFor('evil.example')).toBe(403)
  })

  it('tells its model', async () => {
    const { server } = await servedTiny()
    const list = (await (await fetch(`${server.url}/models`)).json()) as { data: { id: string }[] }
    expect(list.data.map(({ id }) => id)).toEqual(['tiny'])
    expect((await fetch(`${server.url}/models/tiny`)).status).toBe(200)
    expect((await fetch(`${server.url}/models/other`)).status).toBe(404)
  })
})

describe('the end', () => {
  it('a client that leaves frees its row; close ends what is running and gives memory back', async () => {
    const { server, post } = await servedTiny({ max_num_seqs: 1 })
    const leave = new AbortController()
    const long = post('/completions', { ...greedy, max_tokens: 500, prompt: 'a' }, { signal: leave.signal })
    const next = post('/completions', { ...greedy, max_tokens: 3, prompt: 'b' })
    setTimeout(() => leave.abort(), 30)
    await expect(long).rejects.toThrow('abort')
    expect((await next).status).toBe(200)
    const before = await liveBytes()
    const running = post('/completions', { ...greedy, max_tokens: 500, prompt: 'a' }).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 30))
    await server.close()
    await running
    expect(await liveBytes()).toBeLessThan(before)
  })

  it('a port that is taken is told', async () => {
    const { server, model, tokenizer } = await servedTiny()
    await expect(serve(model, tokenizer, { port: server.port })).rejects.toThrow(
      `[serve] port ${server.port} of 127.0.0.1 is taken`,
    )
  })
})
