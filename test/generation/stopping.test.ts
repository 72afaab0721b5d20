import { describe, expect, it } from 'vitest'
import { generateOptions } from '../../src/generation/options'
import { stopCheck } from '../../src/generation/stopping'
import { tinyTokenizer } from '../data/tiny'
import { tinyModel } from '../models/tiny'

/** How many tokens of the text there are when it ends, at `stop_strings`. */
async function endOf(
  text: string,
  stop_strings: string | string[],
  prompt = '',
): Promise<string | undefined> {
  const tokenizer = await tinyTokenizer()
  const check = stopCheck(generateOptions({ stop_strings, tokenizer }, {}), {
    ends: [],
    limit: 1e9,
    began: 0,
  })
  const ids = await tokenizer.encode(prompt, { add_special_tokens: false })
  const answer = await tokenizer.encode(text, { add_special_tokens: false })
  for (const [i, id] of answer.entries()) {
    ids.push(id)
    if ((await check(ids, new Float32Array(0))) === 'stop') return tokenizer.decode(answer.slice(0, i + 1))
  }
  return undefined
}

describe('stop strings', () => {
  it('end the answer with the token that completes one', async () => {
    expect(await endOf('abc\n\nde', '\n\n')).toBe('abc\n\n')
    expect(await endOf('abcabd', ['abd', 'x'])).toBe('abcabd')
    expect(await endOf('abc', 'abd')).toBe(undefined)
  })

  it('may end in the middle of a token, whose whole text stays', async () => {
    expect(await endOf('a hello b', 'hel')).toBe('a hello')
  })

  it('may begin in the prompt, and one that stands in the prompt alone counts for nothing', async () => {
    expect(await endOf('ser:', 'User:', 'U')).toBe('ser:')
    expect(await endOf('abcd', 'User:', 'User:')).toBe(undefined)
    expect(await endOf('abcdU', 'U', 'U')).toBe('abcdU')
  })

  it('may have characters of several tokens', async () => {
    expect(await endOf('ab🎉c', '🎉')).toBe('ab🎉')
    expect(await endOf('aé日c', 'é日')).toBe('aé日')
  })

  it('stop generate, each row for itself; the answer keeps the string', async () => {
    const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
    const rows = [
      [5, 77],
      [9, 8, 7],
    ]
    const free = {
      max_new_tokens: 20,
      eos_token_id: [],
      suppress_tokens: Array.from({ length: 247 }, (_, i) => 265 + i),
    }
    const whole = await model.generate({ input_ids: rows }, free)
    const stop = await tokenizer.decode(whole[0]!.slice(4, 6))
    const found = await model.generate({ input_ids: rows }, { ...free, stop_strings: stop, tokenizer })
    expect(found[0]!.length).toBeLessThan(whole[0]!.length)
    expect(whole[0]!.slice(0, found[0]!.length)).toEqual(found[0])
    expect(await tokenizer.decode(found[0]!)).toContain(stop)
    expect(whole[1]!.slice(0, found[1]!.length)).toEqual(found[1])
  })
})

it('max_time ends answers with the token that is being made', async () => {
  const model = await tinyModel()
  const run = (max_time: number, num_beams = 1): Promise<number[][]> =>
    model.generate({ input_ids: [[5], [6]] }, { max_time, num_beams, max_new_tokens: 5000, eos_token_id: [] })
  expect((await run(0)).map((row) => row.length)).toEqual([2, 2])
  const lengths = (await run(0.2)).map((row) => row.length)
  expect(Math.min(...lengths)).toBeGreaterThan(2)
  expect(Math.max(...lengths)).toBeLessThan(5000)
  expect((await run(0, 2)).map((row) => row.length)).toEqual([2, 2])
})

it('stopping criteria see the sequence with its newest token and the scores', async () => {
  const model = await tinyModel()
  const seen: [number, number][] = []
  const criterion = (ids: readonly number[], scores: Float32Array): boolean => {
    seen.push([ids.length, scores.length])
    return ids.length === 6
  }
  const options = { max_new_tokens: 20, eos_token_id: [], stopping_criteria: [criterion] }
  const [ids] = await model.generate({ input_ids: [[5, 6, 7]] }, options)
  expect(ids!.length).toBe(6)
  expect(seen).toEqual([
    [4, 512],
    [5, 512],
    [6, 512],
  ])
})
