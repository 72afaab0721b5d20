import { expect, it, vi, onTestFinished } from 'vitest'
import { Conversation } from '../../src/generation/conversation'
import * as decode from '../../src/models/decode'
import { tinyTokenizer } from '../data/tiny'
import { liveBytes } from '../models/tiny'
import { byteModel } from '../serving/served'

async function answer(conversation: Conversation, text: string): Promise<string> {
  let all = ''
  for await (const piece of conversation.say(text)) all += piece
  return all
}

it('keeps what was said and reads the newest turn only', async () => {
  const [model, tokenizer] = [await byteModel(), await tinyTokenizer()]
  const before = await liveBytes()
  const spy = vi.spyOn(decode, 'greedyStep')
  onTestFinished(() => spy.mockRestore())
  const conversation = new Conversation(model, tokenizer, { max_new_tokens: 10, system: 'be brief' })
  const first = await answer(conversation, 'hello')
  const system = { role: 'system', content: 'be brief' }
  const turns = [system, { role: 'user', content: 'hello' }, { role: 'assistant', content: first }]
  expect(conversation.messages).toEqual(turns)
  const whole = await tokenizer.apply_chat_template([...turns, { role: 'user', content: 'w' }], {
    ...{ add_generation_prompt: true, return_dict: false },
  })
  spy.mockClear()
  await answer(conversation, 'w')
  // Text that is tokenized again may differ in its last tokens from what was made.
  expect(spy.mock.calls[0]![1][0]!.ids.length).toBeLessThan(whole.length - 10)
  conversation.reset()
  expect(conversation.messages).toEqual([system])
  expect(await answer(conversation, 'hello')).toBe(first)
  conversation.dispose()
  expect(await liveBytes()).toBe(before)
})

it('what was made when it was stopped stays; a failure before a word leaves the conversation as it was', async () => {
  const [model, tokenizer] = [await byteModel(), await tinyTokenizer()]
  using conversation = new Conversation(model, tokenizer, { max_new_tokens: 300 })
  const stop = new AbortController()
  let made = ''
  for await (const piece of conversation.say('hello', { signal: stop.signal })) {
    made += piece
    if (made.length > 5) stop.abort()
  }
  expect(made.length).toBeLessThan(100)
  expect(conversation.messages.at(-1)).toEqual({ role: 'assistant', content: made })
  const so = conversation.messages
  const failing = new Conversation(model, tokenizer, {
    stop_strings: 'x',
    logits_processor: [() => new Float32Array(1)],
  })
  await expect(answer(failing, 'a')).rejects.toThrow('logits_processor')
  expect(failing.messages).toEqual([])
  expect(conversation.messages).toBe(so)
})

it('needs a chat template and known options', async () => {
  const model = await byteModel()
  expect(() => new Conversation(model, null as never)).toThrow()
  const bare = await tinyTokenizer({ chat_template: null })
  expect(() => new Conversation(model, bare)).toThrow('[Conversation] the tokenizer has no chat template')
})
