import { describe, expect, it } from 'vitest'
import { titled } from '../support/shared'
import { servedTiny, type Reply } from './served'

// The server against OpenAI's own client. It is loaded by a name that the compiler does not follow: without it the test is skipped.
const name: string = 'openai'
const found = (await import(name).catch(() => undefined)) as
  { default: new (options: object) => Client } | undefined

interface Create {
  (request: { stream: true }): Promise<AsyncIterable<Reply>>
  (request: object): Promise<Reply>
}
interface Client {
  chat: { completions: { create: Create } }
  completions: { create: Create }
  models: { list(): Promise<{ data: { id: string }[] }> }
}

const needs = 'the npm package openai, a development dependency'
const ask = (i: number): object => ({
  ...{ model: 'tiny', temperature: 0, max_tokens: 6 + (i % 5) },
  messages: [{ role: 'user', content: `question ${i}` }],
})

describe.skipIf(!found)(titled("OpenAI's client", found, needs), () => {
  it('64 of them at once lose and mix no answer, streamed or whole', async () => {
    const { server } = await servedTiny({ max_num_seqs: 16 })
    const client = (): Client => new found!.default({ baseURL: server.url, apiKey: 'none', maxRetries: 0 })
    const alone: string[] = []
    for (let i = 0; i < 8; i++)
      alone.push((await client().chat.completions.create(ask(i))).choices[0]!.message.content)
    expect(new Set(alone).size).toBeGreaterThan(5)
    const answers = await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        const { completions } = client().chat
        if (i % 2 === 0) return (await completions.create(ask(i % 8))).choices[0]!.message.content
        let text = ''
        for await (const chunk of await completions.create({ ...ask(i % 8), stream: true as const }))
          text += chunk.choices[0]?.delta.content ?? ''
        return text
      }),
    )
    expect(answers).toEqual(Array.from({ length: 64 }, (_, i) => alone[i % 8]))
  })

  it('completions, models, and errors as its own kinds', async () => {
    const { server } = await servedTiny({ api_key: 'secret' })
    const client = new found!.default({ baseURL: server.url, apiKey: 'secret', maxRetries: 0 })
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['tiny'])
    const asked = { model: 'tiny', prompt: 'hello', max_tokens: 5, temperature: 0 }
    expect((await client.completions.create(asked)).usage!.completion_tokens).toBe(5)
    const wrong = new found!.default({ baseURL: server.url, apiKey: 'wrong', maxRetries: 0 })
    await expect(wrong.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' })
    await expect(client.completions.create({ ...asked, temperature: 9 })).rejects.toMatchObject({
      ...{ name: 'Error', status: 400, type: 'invalid_request_error' },
      message: expect.stringContaining('temperature: got 9') as string,
    })
    await expect(client.completions.create({ ...asked, model: 'x' })).rejects.toMatchObject({ status: 404 })
  })
})
