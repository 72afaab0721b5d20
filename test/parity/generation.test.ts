import { describe, expect, it, onTestFinished } from 'vitest'
import '../../src/generation/mixin'
import { generateOptions, type GenerateOptions } from '../../src/generation/options'
import { rulesOf } from '../../src/generation/rules'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import { golden } from '../support/shared'
import { goldenJson } from './support'

// Generation against transformers (generation.py).

type Numbers = (number | string)[]

interface Golden {
  processors: {
    ends: number[]
    logits: Record<string, Numbers>
    cases: {
      name: string
      options: GenerateOptions
      logits: string
      sequence: number[]
      prompt: number
      scores: Numbers
    }[]
  }
  prompts: number[][]
  greedy: Record<string, number[][]>
  options: { options: GenerateOptions; rows: number; answers: number[][] }[]
  beams: {
    options: GenerateOptions
    answers: number[][]
    scores: number[]
    beam_indices: number[][]
    first_scores: number[][]
  }[]
  scores: Numbers[]
}

const reference = goldenJson<Golden>('generation.json')
const { prompts } = reference
const number = (value: number | string): number =>
  typeof value === 'number' ? value : ({ inf: Infinity, '-inf': -Infinity, nan: NaN }[value] ?? NaN)

async function load(name: string): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.from_pretrained(golden(name), { dtype: 'float32' })
  onTestFinished(() => model.dispose())
  return model
}

/** Left-padded as transformers had them. */
function padded(rows: readonly number[][]): { input_ids: number[][]; attention_mask: number[][] } {
  const width = Math.max(...rows.map((row) => row.length))
  const fill = (row: number[], value: number, of: (id: number) => number): number[] => [
    ...Array<number>(width - row.length).fill(value),
    ...row.map(of),
  ]
  return {
    input_ids: rows.map((row) => fill(row, 0, (id) => id)),
    attention_mask: rows.map((row) => fill(row, 0, () => 1)),
  }
}

const { cases, ends, logits } = reference.processors

describe('scores', () => {
  it.each(cases.map((c) => [`${c.name}, ${c.logits}`, c] as const))('%s', (_, c) => {
    const o = generateOptions({ do_sample: true, ...c.options }, {})
    const scores = Float32Array.from(logits[c.logits]!, number)
    const prompt = c.sequence.slice(0, c.prompt)
    const rules = rulesOf(o, { batch: 0, prompt, limit: o.max_length ?? 100, ends })
    for (const rule of rules) rule(c.sequence, scores)
    const wanted = c.scores.map(number)
    const kept = (values: ArrayLike<number>): number[] =>
      Array.from(values, (value, id) => (value === -Infinity ? -1 : id)).filter((id) => id >= 0)
    expect(kept(scores)).toEqual(kept(wanted))
    wanted.forEach((value, id) => {
      if (Number.isFinite(value) && Math.abs(value) < 1e30)
        expect(Math.abs(scores[id]! - value), `token ${id}`).toBeLessThanOrEqual(
          2e-6 * Math.max(1, Math.abs(value)),
        )
      else expect(scores[id]).toBe(Math.fround(value))
    })
  })

  it('of greedy steps are returned', async () => {
    const model = await load('tiny-llama')
    const options = { max_new_tokens: 3, eos_token_id: [], return_dict_in_generate: true as const }
    const { scores } = await model.generate({ input_ids: [prompts[0]!] }, { ...options, output_scores: true })
    expect(scores!.length).toBe(3)
    reference.scores.forEach((wanted, step) =>
      wanted.forEach((value, id) =>
        expect(Math.abs(scores![step]![0]![id]! - number(value))).toBeLessThanOrEqual(5e-5),
      ),
    )
  })
})

describe('greedy ids of 64 tokens, three rows together', () => {
  it.each(Object.entries(reference.greedy))('%s', async (name, answers) => {
    const model = await load(name)
    const rows = prompts.map((row) => row.map((id) => id % model.config.vocab_size))
    const found = await model.generate(padded(rows), { max_new_tokens: 64, eos_token_id: [] })
    expect(found).toEqual(rows.map((row, i) => [...row, ...answers[i]!]))
  })
})

describe('options', () => {
  it.each(reference.options.map((c) => [JSON.stringify(c.options), c] as const))('%s', async (_, c) => {
    const model = await load('tiny-llama')
    const rows = prompts.slice(0, c.rows)
    const found = await model.generate(padded(rows), { eos_token_id: [], ...c.options })
    expect(found).toEqual(rows.map((row, i) => [...row, ...c.answers[i]!]))
  })
})

describe('beams', () => {
  it.each(reference.beams.map((c) => [JSON.stringify(c.options), c] as const))('%s', async (_, c) => {
    const model = await load('tiny-llama')
    const found = await model.generate(padded(prompts), {
      ...c.options,
      ...{ return_dict_in_generate: true as const, output_scores: true },
    })
    const each = c.options.num_return_sequences ?? 1
    const promptOf = (i: number): number[] => prompts[Math.floor(i / each)]!
    expect(found.sequences).toEqual(c.answers.map((answer, i) => [...promptOf(i), ...answer]))
    expect(found.beam_indices).toEqual(c.beam_indices)
    c.scores.forEach((score, i) =>
      expect(Math.abs(found.sequences_scores![i]! - score)).toBeLessThanOrEqual(
        2e-5 * Math.max(1, Math.abs(score)),
      ),
    )
    c.first_scores.forEach((row, beam) =>
      row.forEach((value, id) => {
        const own = found.scores![1]![beam]![id]!
        expect(value === number('-inf') ? own === value : Math.abs(own - number(value)) <= 1e-4).toBe(true)
      }),
    )
  })
})
