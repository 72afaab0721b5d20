import { describe, expect, it } from 'vitest'
import '../../src/generation/mixin'
import type { CausalLM } from '../../src/models/causal-lm'
import type { PreTrainedTokenizer } from '../../src/data/tokenizer'
import type { StreamInputs, StreamOptions } from '../../src/generation/stream'
import { tinyTokenizer } from '../data/tiny'
import { liveBytes, tinyModel, tinyPeft } from '../models/tiny'

/** Bytes of characters alone: the tiny model then writes many that are no character, and some that are. */
const bytesOnly = Array.from({ length: 247 }, (_, i) => 265 + i)
const base = { max_new_tokens: 60, eos_token_id: [], suppress_tokens: bytesOnly }

async function collect(
  model: Pick<CausalLM, 'stream'>,
  inputs: StreamInputs,
  tokenizer: PreTrainedTokenizer,
  options: Partial<StreamOptions> = {},
): Promise<string[]> {
  const pieces: string[] = []
  for await (const text of model.stream(inputs, { ...base, tokenizer, ...options })) pieces.push(text)
  return pieces
}

describe('model.stream', () => {
  it('gives the text of the answer, of ids, a text, or a conversation', async () => {
    const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
    const chat = [{ role: 'user', content: 'hello' }]
    const ids = await tokenizer.encode('hello')
    const chatIds = await tokenizer.apply_chat_template(chat, {
      add_generation_prompt: true,
      return_dict: false,
    })
    for (const [inputs, prompt] of [
      ['hello', ids],
      [{ input_ids: [ids] }, ids],
      [chat, chatIds],
    ] as const) {
      const [sequence] = await model.generate({ input_ids: [prompt] }, base)
      const pieces = await collect(model, inputs, tokenizer)
      expect(pieces.length).toBeGreaterThan(10)
      expect(pieces).not.toContain('')
      expect(pieces.join('')).toBe(
        await tokenizer.decode(sequence!.slice(prompt.length), { skip_special_tokens: true }),
      )
    }
  })

  it('ends as the answer ends, and speaks with the adapter', async () => {
    const [model, tokenizer] = [await tinyPeft({ lora_alpha: 64 }), await tinyTokenizer()]
    const tuned = await collect(model, 'hello', tokenizer)
    const bare = await model.disable_adapter(() => collect(model, 'hello', tokenizer))
    expect(tuned).not.toEqual(bare)
    const stop = tuned.join('').slice(5, 7)
    const cut = (await collect(model, 'hello', tokenizer, { stop_strings: stop })).join('')
    expect(cut.endsWith(stop)).toBe(true)
    expect(tuned.join('').startsWith(cut)).toBe(true)
  })

  it('an interrupt ends the loop with what was made, and frees everything', async () => {
    const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
    const whole = (await collect(model, 'hello', tokenizer, { max_new_tokens: 200 })).join('')
    const before = await liveBytes()
    const listeners = process.listenerCount('SIGINT')
    const pieces: string[] = []
    for await (const text of model.stream('hello', { ...base, max_new_tokens: 5000, tokenizer })) {
      pieces.push(text)
      if (pieces.length === 5) process.emit('SIGINT')
    }
    expect(pieces.length).toBeLessThan(20)
    expect(whole.startsWith(pieces.slice(0, 5).join(''))).toBe(true)
    expect(process.listenerCount('SIGINT')).toBe(listeners)
    expect(await liveBytes()).toBe(before)
  })

  it('leaving the loop stops the work; a signal of the caller rejects', async () => {
    const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
    const before = await liveBytes()
    const left = model.stream('hello', { ...base, max_new_tokens: 5000, tokenizer })
    await left.next()
    await left.return(undefined)
    expect(await liveBytes()).toBe(before)
    const signal = AbortSignal.abort()
    await expect(collect(model, 'hello', tokenizer, { signal })).rejects.toThrow('aborted')
  })

  it.each([
    [undefined, '[stream] tokenizer is missing'],
    [5, '[stream] got 5, needs a text, a list of messages, or { input_ids }'],
    [{ input_ids: [[]] }, '[generate] row 0 has no token'],
    [{ input_ids: [[1], [2]] }, 'a streamer takes one answer to one prompt'],
  ])('%j is refused', async (inputs, message) => {
    const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
    const given = inputs === undefined ? undefined : tokenizer
    await expect(collect(model, (inputs ?? 'a') as never, given as never)).rejects.toThrow(message)
  })
})
