import { describe, expect, it } from 'vitest'
import { DynamicCache } from '../../src/generation/dynamic-cache'
import type { GenerateOptions } from '../../src/generation/options'
import { lookUp } from '../../src/generation/prompt-lookup'
import type { CausalLM } from '../../src/models/causal-lm'
import * as decode from '../../src/models/decode'
import { liveBytes, tinyModel } from '../models/tiny'
import { vi, onTestFinished } from 'vitest'

const rows = [[5, 77, 200, 13], [9, 8], [42], [7, 7, 7, 7, 7, 7, 7]]
const base: GenerateOptions = { max_new_tokens: 12, eos_token_id: [] }

/** Tokens of each step of the model while `run` runs. */
async function stepsOf(run: () => Promise<unknown>): Promise<[row: number, tokens: number][][]> {
  const original = { ...decode }
  const steps: [number, number][][] = []
  const note = (given: readonly decode.RowStep[]): void =>
    void steps.push(
      given.map(({ row, ids }): [number, number] => [row, ids.length]).sort(([a], [b]) => a - b),
    )
  const spies = [
    vi.spyOn(decode, 'decodeStep').mockImplementation((model, given, cache) => {
      note(given)
      return original.decodeStep(model, given, cache)
    }),
    vi.spyOn(decode, 'greedyStep').mockImplementation((model, given, cache) => {
      note(given)
      return original.greedyStep(model, given, cache)
    }),
  ]
  const restore = (): void => spies.forEach((spy) => spy.mockRestore())
  onTestFinished(restore)
  await run()
  restore()
  return steps
}

const generate = (model: CausalLM, options: GenerateOptions, ids = rows): Promise<number[][]> =>
  model.generate({ input_ids: ids }, { ...base, ...options })

describe('rows', () => {
  it('advance together, finished ones leave; each is answered as if alone', async () => {
    const model = await tinyModel()
    const alone = await Promise.all(rows.map(async (row) => (await generate(model, {}, [row]))[0]!))
    expect(await generate(model, {})).toEqual(alone)
    const end = alone[1]![5]!
    const first = (row: number[], from: number): number => {
      const at = row.indexOf(end, from)
      return at === -1 ? row.length : at + 1
    }
    const steps = await stepsOf(async () => {
      const found = await generate(model, { eos_token_id: end })
      expect(found).toEqual(alone.map((row, i) => row.slice(0, first(row, rows[i]!.length))))
    })
    expect(steps[0]).toEqual([
      [0, 4],
      [1, 2],
      [2, 1],
      [3, 7],
    ])
    const lengths = alone.map((row, i) => first(row, rows[i]!.length) - rows[i]!.length)
    steps.forEach((step, t) =>
      expect(step.map(([row]) => row)).toEqual([0, 1, 2, 3].filter((i) => lengths[i]! > t)),
    )
  })

  it('draw by the seed and their number, not by what else is in the batch', async () => {
    const model = await tinyModel()
    const options = { do_sample: true, seed: 4, top_k: 0, temperature: 2 }
    const together = await generate(model, options)
    expect(await generate(model, options, rows.slice(0, 2))).toEqual(together.slice(0, 2))
    expect(together[0]!.slice(4)).not.toEqual((await generate(model, { ...options, seed: 5 }))[0]!.slice(4))
  })

  it('num_return_sequences reads the prompt once and draws different answers', async () => {
    const model = await tinyModel()
    const options = { do_sample: true, seed: 4, top_k: 0, temperature: 2, num_return_sequences: 3 }
    const steps = await stepsOf(async () => {
      const found = await generate(model, options, rows.slice(0, 2))
      expect(found.map((row) => row.slice(0, 2))).toEqual([
        [5, 77],
        [5, 77],
        [5, 77],
        [9, 8],
        [9, 8],
        [9, 8],
      ])
      expect(new Set(found.map(String)).size).toBe(6)
      expect(await generate(model, options, rows.slice(0, 2))).toEqual(found)
    })
    expect(steps[0]).toEqual([
      [0, 4],
      [1, 2],
    ])
    expect(steps[1]!.map(([, tokens]) => tokens)).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('prefill_chunk_size bounds the tokens of a step and changes no answer', async () => {
    const model = await tinyModel()
    const whole = await generate(model, {})
    const steps = await stepsOf(async () =>
      expect(await generate(model, { prefill_chunk_size: 3 })).toEqual(whole),
    )
    for (const step of steps) expect(step.reduce((n, [, tokens]) => n + tokens, 0)).toBeLessThanOrEqual(3)
  })
})

describe('prompt lookup', () => {
  it('guesses what stood behind the longest run of last tokens', () => {
    const o = { count: 3, ngram: 2, ends: [99] }
    expect(lookUp([1, 2, 3, 4, 1, 2], o)).toEqual([3, 4, 1])
    expect(lookUp([5, 2, 9, 8, 1, 2], o)).toEqual([9, 8, 1])
    expect(lookUp([1, 2, 99, 4, 1, 2], o)).toEqual([])
    expect(lookUp([1, 2, 3], o)).toEqual([])
    expect(lookUp([7], o)).toEqual([])
    expect(lookUp([7, 7], o)).toEqual([7])
  })

  it.each<[string, GenerateOptions]>([
    ['greedy', {}],
    ['sampling', { do_sample: true, seed: 3, temperature: 0.05 }],
    ['with rules', { repetition_penalty: 1.05, no_repeat_ngram_size: 6 }],
  ])('%s: the same answers in fewer steps', async (_, options) => {
    const model = await tinyModel()
    const long = { ...options, max_new_tokens: 40 }
    const plain = await generate(model, long)
    const count = await stepsOf(() => generate(model, long))
    const steps = await stepsOf(async () =>
      expect(await generate(model, { ...long, prompt_lookup_num_tokens: 4 })).toEqual(plain),
    )
    expect(count.length).toBe(40)
    const fed = steps.flat().length
    expect(fed).toBeLessThan(count.flat().length)
  })

  it('goes no further than the length limit', async () => {
    const model = await tinyModel()
    const repeating = [[1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2]]
    for (const max_new_tokens of [1, 2, 3]) {
      const found = await generate(model, { max_new_tokens, prompt_lookup_num_tokens: 10 }, repeating)
      expect(found[0]!.length).toBe(11 + max_new_tokens)
    }
  })
})

describe('past_key_values', () => {
  it('what was seen is not computed again, and answers are the same', async () => {
    const model = await tinyModel()
    const cache = new DynamicCache()
    const [first] = await generate(model, { past_key_values: cache }, [rows[0]!])
    expect(cache.ids).toEqual(first!.slice(0, -1))
    const longer = [...first!, 30, 31]
    const plain = await generate(model, {}, [longer])
    const steps = await stepsOf(async () =>
      expect(await generate(model, { past_key_values: cache }, [longer])).toEqual(plain),
    )
    expect(steps[0]).toEqual([[0, 3]])
    cache.dispose()
  })

  it('another conversation reuses what it begins with in common', async () => {
    const model = await tinyModel()
    const before = await liveBytes()
    const cache = new DynamicCache()
    await generate(model, { past_key_values: cache }, [[1, 2, 3, 4, 5]])
    const other = [1, 2, 3, 90, 91, 92]
    const plain = await generate(model, {}, [other])
    const steps = await stepsOf(async () =>
      expect(await generate(model, { past_key_values: cache }, [other])).toEqual(plain),
    )
    expect(steps[0]).toEqual([[0, 3]])
    // The very same prompt: its last token is fed again, for its logits.
    cache.crop(6)
    const again = await stepsOf(() => generate(model, { past_key_values: cache }, [other]))
    expect(again[0]).toEqual([[0, 1]])
    cache.dispose()
    expect(cache.get_seq_length()).toBe(0)
    expect(await liveBytes()).toBe(before)
  })

  it('belongs to one model and one prompt', async () => {
    const cache = new DynamicCache()
    await generate(await tinyModel(), { past_key_values: cache }, [[1, 2]])
    await expect(generate(await tinyModel(), { past_key_values: cache }, [[1, 2]])).rejects.toThrow(
      'past_key_values: it is of another model',
    )
    await expect(generate(await tinyModel(), { past_key_values: cache })).rejects.toThrow(
      '[generate] past_key_values holds one answer to one prompt',
    )
    cache.dispose()
  })
})

describe('return_dict_in_generate', () => {
  it('gives scores and logits by step and row; null where a row had ended', async () => {
    const model = await tinyModel()
    const [plain] = await generate(model, {}, [[5, 77]])
    const end = plain![4]!
    const output = await model.generate(
      {
        input_ids: [
          [5, 77],
          [9, 8, 7],
        ],
      },
      {
        ...{ max_new_tokens: 6, eos_token_id: end, suppress_tokens: [3] },
        ...{ return_dict_in_generate: true as const, output_scores: true, output_logits: true },
      },
    )
    const lengths = [output.sequences[0]!.length - 2, output.sequences[1]!.length - 3]
    expect(lengths[0]).toBeLessThan(6)
    for (const kind of ['scores', 'logits'] as const) {
      expect(output[kind]!.length).toBe(Math.max(...lengths))
      output[kind]!.forEach((step, t) =>
        expect(step.map((row) => row !== null)).toEqual(lengths.map((n) => n > t)),
      )
    }
    expect(output.scores![0]![0]![3]).toBe(-Infinity)
    expect(output.logits![0]![0]![3]).toBeGreaterThan(-Infinity)
    expect(output.logits![0]![0]![4]).toBe(output.scores![0]![0]![4])
    const bare = await model.generate({ input_ids: [[5]] }, { return_dict_in_generate: true })
    expect([bare.scores, bare.logits, bare.past_key_values]).toEqual([undefined, undefined, null])
  })
})
