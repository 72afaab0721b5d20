import { describe, expect, it } from 'vitest'
import { generate } from '../../src/generation/generate'
import type { GenerateOptions } from '../../src/generation/options'
import { CausalLM } from '../../src/models/causal-lm'
import { liveBytes, tinyModel, tinyPeft } from '../models/tiny'

const prompt = [5, 77, 200, 13]

async function answer(options: GenerateOptions, ids: number[] = prompt): Promise<number[]> {
  const model = await tinyModel()
  const [sequence] = await model.generate({ input_ids: [ids] }, { eos_token_id: [], ...options })
  expect(sequence!.slice(0, ids.length)).toEqual(ids)
  return sequence!.slice(ids.length)
}

describe('length', () => {
  it('20 new tokens unless told otherwise', async () => {
    expect((await answer({})).length).toBe(20)
    expect((await answer({ max_new_tokens: 3 })).length).toBe(3)
    expect((await answer({ max_length: 6 })).length).toBe(2)
    expect((await answer({ max_length: 6, max_new_tokens: 5 })).length).toBe(5)
    await expect(answer({ max_length: 4 })).rejects.toThrow(
      '[generate] max_length 4 leaves no room after a prompt of 4 tokens',
    )
  })

  it('ends after any of the end tokens, which stays in the answer', async () => {
    const free = await answer({ max_new_tokens: 10 })
    const end = free[4]!
    const at = free.indexOf(end)
    expect(await answer({ max_new_tokens: 10, eos_token_id: end })).toEqual(free.slice(0, at + 1))
    expect(await answer({ max_new_tokens: 10, eos_token_id: [511, end] })).toEqual(free.slice(0, at + 1))
  })

  it("the model's own end tokens and generation_config count where nothing else is said", async () => {
    const model = await tinyModel()
    const [free] = await model.generate({ input_ids: [prompt] }, { max_new_tokens: 10, eos_token_id: [] })
    const end = free![8]!
    const with_ = (defaults: Record<string, unknown>): CausalLM =>
      new CausalLM(model.config, model.parts, model.device, model.dtype, 'x', undefined, defaults)
    const configured = with_({
      eos_token_id: [end],
      max_new_tokens: 9,
      transformers_version: '5.0',
      pad_token_id: 0,
    })
    const [short] = await configured.generate({ input_ids: [prompt] })
    expect(short).toEqual(free!.slice(0, free!.indexOf(end, 4) + 1))
    const [long] = await configured.generate({ input_ids: [prompt] }, { eos_token_id: [] })
    expect(long!.length).toBe(4 + 9)
  })
})

describe('rows', () => {
  it('padding on either side is dropped; each row is answered as if alone', async () => {
    const model = await tinyModel()
    const options = { max_new_tokens: 6, eos_token_id: [] }
    const [alone] = await model.generate({ input_ids: [prompt] }, options)
    const rows = await model.generate(
      {
        input_ids: [
          [0, 0, ...prompt],
          [9, 8, 7, 6, 5, 4],
          [...prompt, 0, 0],
        ],
        attention_mask: [
          [0, 0, 1, 1, 1, 1],
          [1, 1, 1, 1, 1, 1],
          [1, 1, 1, 1, 0, 0],
        ],
      },
      options,
    )
    expect(rows[0]).toEqual(alone)
    expect(rows[2]).toEqual(alone)
    expect(rows[1]!.slice(0, 6)).toEqual([9, 8, 7, 6, 5, 4])
  })

  it.each([
    [[[]], '[generate] row 0 has no token'],
    [[[5], [900]], "token id 900 is outside the model's vocabulary of 512"],
  ] as [number[][], string][])('%j is refused', async (input_ids, message) => {
    const model = await tinyModel()
    const before = await liveBytes()
    await expect(model.generate({ input_ids })).rejects.toThrow(message)
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  })
})

describe('options', () => {
  it('use_cache false computes the same tokens; the config has the default', async () => {
    const cached = await answer({ max_new_tokens: 8 })
    expect(await answer({ max_new_tokens: 8, use_cache: false })).toEqual(cached)
    const model = await tinyModel()
    model.config.use_cache = false
    const [sequence] = await model.generate({ input_ids: [prompt] }, { max_new_tokens: 8, eos_token_id: [] })
    expect(sequence!.slice(4)).toEqual(cached)
  })

  it('the seed makes draws repeatable, without one they differ', async () => {
    const draw = (options: GenerateOptions): Promise<number[]> =>
      answer({ do_sample: true, top_k: 0, temperature: 3, max_new_tokens: 12, ...options })
    const first = await draw({ seed: 1 })
    expect(await draw({ seed: 1 })).toEqual(first)
    expect(await draw({ seed: 2 })).not.toEqual(first)
    expect(await draw({})).not.toEqual(await draw({}))
    expect(await draw({ seed: 1, top_k: 1 })).toEqual(await answer({ max_new_tokens: 12 }))
  })

  it('repetition_penalty sees prompt and answer', async () => {
    const found = await answer({ repetition_penalty: 1e6, max_new_tokens: 30 })
    expect(new Set([...prompt, ...found]).size).toBe(4 + 30)
  })

  it.each([
    [{ temprature: 1 }, "[generate] unknown option 'temprature'. Did you mean 'temperature'?"],
    [{ temperature: 0 }, '[generate] temperature: got 0, needs a number > 0'],
    [{ top_p: 1.5 }, '[generate] top_p: got 1.5, needs'],
    [{ max_new_tokens: 0 }, '[generate] max_new_tokens: got 0, needs'],
    [
      { num_beams: 4 },
      '[generate] num_beams = 4 is not supported: this version generates by greedy search and sampling only.',
    ],
    [{ num_return_sequences: 2 }, 'num_return_sequences = 2 is not supported'],
    [{ stop_strings: ['x'] }, 'is not supported'],
  ] as [object, string][])('%j is refused', async (options, message) => {
    await expect(answer(options)).rejects.toThrow(message)
  })

  it('generation_config.json: what would change the answer is told, what would not is passed over', async () => {
    const model = await tinyModel()
    const with_ = (config: object, options: GenerateOptions = {}): Promise<number[][]> => {
      Object.assign(model, { generation_config: config })
      return generate(model, { input_ids: [prompt] }, { max_new_tokens: 2, ...options })
    }
    await expect(with_({ no_repeat_ngram_size: 3 })).rejects.toThrow(
      'generation_config.json] no_repeat_ngram_size = 3 is not supported',
    )
    await expect(with_({ suppress_tokens: [1] })).rejects.toThrow('suppress_tokens = [1]')
    await expect(with_({ temperature: -1 })).rejects.toThrow('generation_config.json] temperature: got -1')
    expect(await with_({ no_repeat_ngram_size: 3 }, { no_repeat_ngram_size: 0 })).toHaveLength(1)
    const harmless = {
      bos_token_id: 1,
      pad_token_id: 0,
      num_beams: 1,
      cache_implementation: 'hybrid',
      num_assistant_tokens: 5,
    }
    expect(await with_({ ...harmless, transformers_version: '5.0', max_new_tokens: 1 })).toHaveLength(1)
    expect((await with_({ max_new_tokens: 1 }, { max_new_tokens: undefined as never }))[0]).toHaveLength(
      prompt.length + 1,
    )
  })

  it('neutral values of what is refused pass', async () => {
    const neutral: GenerateOptions = {
      num_beams: 1,
      no_repeat_ngram_size: 0,
      stop_strings: null,
      max_new_tokens: 2,
    }
    expect(await answer(neutral)).toEqual(await answer({ max_new_tokens: 2 }))
  })
})

describe('an abort signal', () => {
  it('rejects between two tokens and frees the cache', async () => {
    const model = await tinyModel()
    const before = await liveBytes()
    const options = { max_new_tokens: 100_000, eos_token_id: [] }
    await expect(
      model.generate({ input_ids: [prompt] }, { ...options, signal: AbortSignal.abort() }),
    ).rejects.toThrow('aborted')
    const signal = AbortSignal.timeout(40)
    await expect(
      model.generate({ input_ids: [prompt] }, { ...options, max_new_tokens: 5000, signal }),
    ).rejects.toThrow('aborted')
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  })
})

it('timers run while an answer is made', async () => {
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  await answer({ max_new_tokens: 200 })
  clearInterval(timer)
  expect(ticks).toBeGreaterThan(5)
})

it('an adapter changes the answer, and not where it is switched off', async () => {
  const model = await tinyPeft({ lora_alpha: 64 })
  const run = async (): Promise<number[]> =>
    (await model.generate({ input_ids: [prompt] }, { max_new_tokens: 8, eos_token_id: [] }))[0]!.slice(4)
  const bare = await answer({ max_new_tokens: 8 })
  expect(await run()).not.toEqual(bare)
  expect(await model.disable_adapter(run)).toEqual(bare)
})
