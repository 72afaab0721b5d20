import { describe, expect, it, onTestFinished, vi } from 'vitest'
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
    [[[5], [3, 900]], '[generate] input_ids: row 1, position 1: got 900; expected an integer from 0 to 511'],
    [[[1.5]], '[generate] input_ids: row 0, position 0: got 1.5; expected an integer from 0 to 511'],
    [[[5, NaN]], 'row 0, position 1: got NaN'],
    [[[5, -1]], 'row 0, position 1: got -1'],
    [[['a']], "row 0, position 0: got 'a'"],
  ] as [number[][], string][])('%j is refused', async (input_ids, message) => {
    const model = await tinyModel()
    const before = await liveBytes()
    await expect(model.generate({ input_ids })).rejects.toThrow(message)
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  })
})

it('warns once when the answer goes beyond max_position_embeddings', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  onTestFinished(() => warn.mockRestore())
  const model = await tinyModel()
  Object.assign(model.config, { max_position_embeddings: 7 })
  const run = (max_new_tokens: number): Promise<number[][]> =>
    model.generate({ input_ids: [prompt] }, { max_new_tokens, eos_token_id: [] })
  // The last token is chosen from 7 tokens.
  expect((await run(4))[0]).toHaveLength(8)
  expect(warn).not.toHaveBeenCalled()
  expect((await run(6))[0]).toHaveLength(10)
  await run(6)
  expect(warn.mock.calls.map(String)).toEqual([
    expect.stringContaining("more tokens than the model's max_position_embeddings, 7"),
  ])
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
      { dola_layers: 'low' },
      "[generate] dola_layers = 'low' is not supported: transformers 5 has no such search",
    ],
    [{ num_return_sequences: 2 }, '[generate] num_return_sequences 2 would give equal answers'],
    [{ num_beams: 2, num_return_sequences: 3 }, 'num_return_sequences 3 has to be at most num_beams, 2'],
    [{ stop_strings: ['x'] }, "[generate] stop_strings need the model's tokenizer"],
    [{ num_beams: 2, prompt_lookup_num_tokens: 2 }, 'prompt_lookup_num_tokens is not for beams'],
    [{ num_beams: 2, guidance_scale: 2 }, 'guidance_scale is not for beams'],
    [{ negative_prompt_ids: [[4]] }, 'negative_prompt_ids do nothing without guidance_scale'],
    [{ guidance_scale: 2, negative_prompt_ids: [[999]] }, 'negative_prompt_ids: token id 999 is none of the'],
    [
      { bad_words_ids: [[5], [700, 1]] },
      'bad_words_ids: token id 700 is none of the vocabulary, which has 512',
    ],
    [
      { sequence_bias: { '5': 1 } },
      '[generate] sequence_bias: got {"5":1}, needs a list of [token ids, number]',
    ],
    [{ early_stopping: 'always' }, "[generate] early_stopping: got 'always', needs"],
    [{ streamer: {} }, '[generate] streamer: got {}, needs an object with put and end'],
    [{ logits_processor: [1] }, '[generate] logits_processor: got [1], needs a list of functions'],
    [
      { logits_processor: [() => new Float32Array(3)] },
      'logits_processor: a function has to return a Float32Array of 512 scores',
    ],
    [{ prefix_allowed_tokens_fn: () => [] }, 'prefix_allowed_tokens_fn returned no token for row 0'],
  ] as [object, string][])('%j is refused', async (options, message) => {
    await expect(answer(options)).rejects.toThrow(message)
  })

  it('generation_config.json: a rule that is not built is told once and left out, what changes no answer is passed over', async () => {
    const model = await tinyModel()
    const with_ = (config: object, options: GenerateOptions = {}): Promise<number[][]> => {
      Object.assign(model, { generation_config: config })
      return generate(model, { input_ids: [prompt] }, { max_new_tokens: 2, ...options })
    }
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    const plain = await with_({})
    expect(await with_({ penalty_alpha: 0.6, dola_layers: 'high' })).toEqual(plain)
    await with_({ penalty_alpha: 0.6 })
    expect(warn.mock.calls.map(String)).toEqual([
      expect.stringContaining(
        "[generate: the model's generation_config.json] penalty_alpha = 0.6 is not supported: transformers 5",
      ),
      expect.stringContaining("dola_layers = 'high' is not supported"),
    ])
    expect(String(warn.mock.calls[0])).toContain('The model answers without it')
    await expect(with_({}, { penalty_alpha: 0.6 as never })).rejects.toThrow('[generate] penalty_alpha = 0.6')
    await expect(with_({ temperature: -1 })).rejects.toThrow('generation_config.json] temperature: got -1')
    expect(await with_({ suppress_tokens: [plain[0]![4]!] })).not.toEqual(plain)
    expect(await with_({ num_beams: 3 }, { num_beams: 1 })).toEqual(plain)
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
    expect(warn).toHaveBeenCalledTimes(2)
  })

  it('neutral values of what is refused pass', async () => {
    const neutral: GenerateOptions = {
      num_beams: 1,
      num_beam_groups: 1,
      penalty_alpha: 0,
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
