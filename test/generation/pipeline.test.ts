import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { pipeline, type TextGenerationPipeline } from '../../src/generation/pipeline'
import { tinyFolder, tinyTokenizer } from '../data/tiny'
import { liveBytes, tinyModel, tinyPeft } from '../models/tiny'
import { writeModel } from '../models/write-model'

const options = { max_new_tokens: 6 }

async function tinyPipe(): Promise<TextGenerationPipeline> {
  return pipeline('text-generation', { model: await tinyModel(), tokenizer: await tinyTokenizer() })
}

it('continues a text; return_full_text false leaves the prompt out', async () => {
  const pipe = await tinyPipe()
  const [full] = await pipe('hello', options)
  const [answer] = await pipe('hello', { ...options, return_full_text: false })
  expect(full!.generated_text).toBe(`hello${answer!.generated_text as string}`)
  expect(answer!.generated_text).not.toBe('')
})

it('the prompt gets the special tokens of the tokenizer, the answer is shown without any', async () => {
  const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
  const ids = await tokenizer.encode('hello')
  const [sequence] = await model.generate({ input_ids: [ids] }, options)
  const pipe = await pipeline('text-generation', { model, tokenizer })
  const [answer] = await pipe('hello', { ...options, return_full_text: false })
  expect(answer!.generated_text).toBe(
    await tokenizer.decode(sequence!.slice(ids.length), { skip_special_tokens: true }),
  )
})

it('answers a conversation through the chat template', async () => {
  const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
  const pipe = await pipeline('text-generation', { model, tokenizer })
  const messages = [{ role: 'user', content: 'hello' }]
  const text = '<s>user:hello<|end|>\n<s>assistant:'
  const ids = await tokenizer.encode(text, { add_special_tokens: false })
  const [sequence] = await model.generate({ input_ids: [ids] }, options)
  const content = await tokenizer.decode(sequence!.slice(ids.length), { skip_special_tokens: true })
  expect(await pipe(messages, options)).toEqual([
    { generated_text: [...messages, { role: 'assistant', content }] },
  ])
  expect(await pipe(messages, { ...options, return_full_text: false })).toEqual([{ generated_text: content }])
  expect(messages.length).toBe(1)
})

it('options go to generate', async () => {
  const pipe = await tinyPipe()
  const draw = async (seed: number): Promise<unknown> => pipe('hello', { ...options, do_sample: true, seed })
  expect(await draw(1)).toEqual(await draw(1))
  expect(await draw(1)).not.toEqual(await draw(2))
  await expect(pipe('hello', { num_beam: 2 } as never)).rejects.toThrow(
    "[pipeline] unknown option 'num_beam'. Did you mean 'num_beams'?",
  )
})

it("refuses a tokenizer whose end token lies beyond the model's embedding", async () => {
  const folder = await tinyFolder({ eos_token: 'hello' })
  const tokenizer = await AutoTokenizer.from_pretrained(folder)
  const id = tokenizer.eos_token_id!
  await expect(
    pipeline('text-generation', {
      model: await AutoModelForCausalLM.from_pretrained(await writeModel({ vocab_size: id })),
      tokenizer,
    }),
  ).rejects.toThrow(
    `[pipeline] tokenizer: eos_token 'hello' has the id ${id}, but the model's embedding ends at ${id - 1}`,
  )
})

it('takes a model with an adapter', async () => {
  const adapted = await tinyPeft({ lora_alpha: 64 })
  const tokenizer = await tinyTokenizer()
  const pipe = await pipeline('text-generation', { model: adapted, tokenizer })
  const bare = await tinyPipe()
  const [changed] = await pipe('hello', options)
  expect(changed).not.toEqual((await bare('hello', options))[0])
  expect(await adapted.disable_adapter(() => pipe('hello', options))).toEqual(await bare('hello', options))
})

it('takes a folder with model and tokenizer', async () => {
  const [folder, tokenizer] = [await writeModel(), await tinyFolder()]
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(join(tokenizer, file), join(folder, file))
  await writeFile(join(folder, 'generation_config.json'), JSON.stringify({ max_new_tokens: 3 }))
  const before = await liveBytes()
  const pipe = await pipeline('text-generation', { model: folder })
  const [answer] = await pipe('hello')
  expect(String(answer!.generated_text).startsWith('hello')).toBe(true)
  expect(await liveBytes()).toBeGreaterThan(before)
  pipe.dispose()
  expect(await liveBytes()).toBe(before)
})

it('shows its model and tokenizer, and leaves a model that was given to the caller', async () => {
  const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
  const before = await liveBytes()
  {
    using pipe = await pipeline('text-generation', { model, tokenizer })
    expect(pipe.model).toBe(model)
    expect(pipe.tokenizer).toBe(tokenizer)
  }
  expect(await liveBytes()).toBe(before)
})

describe('refused', () => {
  it('another task, or a model object without its tokenizer', async () => {
    const model = await tinyModel()
    await expect(pipeline('summarization', { model })).rejects.toThrow(
      "[pipeline] task 'summarization' is not supported; supported: text-generation",
    )
    await expect(pipeline('text-generation', { model })).rejects.toThrow(
      '[pipeline] give the tokenizer beside a model object',
    )
  })
})

it('options given to the pipeline hold for each call; a call goes before them', async () => {
  const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
  const pipe = await pipeline('text-generation', {
    model,
    tokenizer,
    max_new_tokens: 2,
    return_full_text: false,
  })
  const length = async (call?: object): Promise<number> => {
    const [answer] = await pipe('hello', { eos_token_id: [], ...call })
    const ids = await tokenizer.encode(answer!.generated_text as string, { add_special_tokens: false })
    return ids.length
  }
  expect(await length()).toBeLessThanOrEqual(2)
  expect(await length({ max_new_tokens: 12 })).toBeGreaterThan(2)
  const wrong = { model, tokenizer, max_new_token: 2 } as object as { model: typeof model }
  await expect(pipeline('text-generation', wrong)).rejects.toThrow(
    "[pipeline] unknown option 'max_new_token'. Did you mean 'max_new_tokens'?",
  )
  await expect(pipe('hello', { return_full_texts: true } as object)).rejects.toThrow(
    "unknown option 'return_full_texts'",
  )
})

it('answers a list of prompts one by one', async () => {
  const pipe = await tinyPipe()
  const both = await pipe(['hello', 'world'], options)
  expect(both).toEqual([await pipe('hello', options), await pipe('world', options)])
  await expect(pipe(['hello', 7] as never)).rejects.toThrow('[pipeline] prompt 1: got 7, needs a text')
})

it("ends at generation_config's tokens as generate does, at the tokenizer's only where the model has none", async () => {
  const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
  const prompt = await tokenizer.encode('hello')
  const long = { max_new_tokens: 8 }
  const [free] = await model.generate({ input_ids: [prompt] }, { ...long, eos_token_id: [] })
  const third = free![prompt.length + 2]!
  Object.assign(model, { generation_config: { eos_token_id: [third] } })
  const pipe = await pipeline('text-generation', { model, tokenizer })
  const [answer] = await pipe('hello', { ...long, return_full_text: false })
  const [stopped] = await model.generate({ input_ids: [prompt] }, long)
  expect(stopped!.length).toBeLessThan(free!.length)
  expect(answer!.generated_text).toBe(
    await tokenizer.decode(stopped!.slice(prompt.length), { skip_special_tokens: true }),
  )
})
