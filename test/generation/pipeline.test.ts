import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { pipeline, type TextGenerationPipeline } from '../../src/generation/pipeline'
import { AutoPeftModelForCausalLM } from '../../src/peft/auto'
import { LoraConfig } from '../../src/peft/config'
import { get_peft_model, PeftModel } from '../../src/peft/model'
import { tinyFolder, tinyTokenizer } from '../data/tiny'
import { temporaryFolder } from '../files/support/temporary'
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
  const model = await AutoModelForCausalLM.from_pretrained(await writeModel({ vocab_size: id }))
  await expect(pipeline('text-generation', { model, tokenizer })).rejects.toThrow(
    `[pipeline] tokenizer: eos_token 'hello' has the id ${id}, but the model's embedding ends at ${id - 1}`,
  )
  model.dispose()
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

it('takes the folder of an adapter, whose base model it loads and frees', async () => {
  const [base, tokenizer, adapter] = [await writeModel(), await tinyFolder(), await temporaryFolder()]
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(join(tokenizer, file), join(base, file))
  const before = await liveBytes()
  const model = await AutoModelForCausalLM.from_pretrained(base)
  const lora = new LoraConfig({
    r: 4,
    lora_alpha: 64,
    target_modules: 'all-linear',
    init_lora_weights: false,
  })
  const tuned = get_peft_model(model, lora, { seed: 3 })
  const made = await pipeline('text-generation', { model: tuned, tokenizer: await tinyTokenizer() })
  const prompts = ['hello', 'hello w']
  const wanted = await made(prompts, options)
  const bare = await tuned.disable_adapter(() => made(prompts, options))
  expect(wanted).not.toEqual(bare)
  await tuned.save_pretrained(adapter)
  tuned.dispose()

  using pipe = await pipeline('text-generation', { model: adapter })
  expect(pipe.model).toBeInstanceOf(PeftModel)
  expect(await pipe(prompts, options)).toEqual(wanted)
  pipe.dispose()
  expect(await liveBytes()).toBe(before)

  const loaded = await AutoPeftModelForCausalLM.from_pretrained(adapter, { dtype: 'bfloat16' })
  expect(loaded.base_model.dtype).toBe('bfloat16')
  loaded.dispose()
  expect(await liveBytes()).toBe(before)
})

it('an adapter whose base model is not there, or that names none, is told by file', async () => {
  const folder = await temporaryFolder()
  const file = join(folder, 'adapter_config.json')
  await writeFile(file, JSON.stringify({ base_model_name_or_path: '/no/such/model' }))
  await expect(AutoPeftModelForCausalLM.from_pretrained(folder)).rejects.toThrow(
    `${file}: the base model '/no/such/model', which it names, cannot be loaded: '/no/such/model' is neither`,
  )
  await writeFile(file, JSON.stringify({ base_model_name_or_path: null }))
  await expect(AutoPeftModelForCausalLM.from_pretrained(folder)).rejects.toThrow(
    `${file}: base_model_name_or_path names no model`,
  )
  await expect(AutoPeftModelForCausalLM.from_pretrained(await temporaryFolder())).rejects.toThrow(
    'has no adapter_config.json; is it an adapter?',
  )
})

it('answers a list, batch_size of it together: the same answers, also drawn ones', async () => {
  const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
  const pipe = await pipeline('text-generation', { model, tokenizer })
  const prompts = ['hello', 'w', 'hello hello', 'a b c']
  const drawn = { ...options, do_sample: true, seed: 5, num_return_sequences: 2 }
  for (const call of [options, drawn]) {
    const one = await pipe(prompts, call)
    expect(one.map((answers) => answers.length)).toEqual(Array(4).fill(call === drawn ? 2 : 1))
    expect(await pipe(prompts, { ...call, batch_size: 3 })).toEqual(one)
  }
  const chats = prompts.map((content) => [{ role: 'user', content }])
  const answers = await pipe(chats, { ...options, batch_size: 4 })
  expect(answers.map(([answer]) => (answer!.generated_text as object[])[0])).toEqual(
    chats.map(([turn]) => turn),
  )
  await expect(pipe(prompts, { batch_size: 0 })).rejects.toThrow(
    '[pipeline] batch_size: got 0, needs a whole',
  )
})

it('stop strings need no tokenizer here', async () => {
  const pipe = await tinyPipe()
  const suppress_tokens = Array.from({ length: 247 }, (_, i) => 265 + i)
  const long = { max_new_tokens: 20, suppress_tokens, return_full_text: false }
  const [whole] = await pipe('hello', long)
  const stop = (whole!.generated_text as string).slice(2, 4)
  const [cut] = await pipe('hello', { ...long, stop_strings: stop })
  expect((whole!.generated_text as string).startsWith(cut!.generated_text as string)).toBe(true)
  expect(cut!.generated_text).toContain(stop)
  expect((cut!.generated_text as string).length).toBeLessThan((whole!.generated_text as string).length)
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
