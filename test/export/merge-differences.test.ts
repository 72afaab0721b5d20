import { describe, expect, it } from 'vitest'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import type { MergeDifferences } from '../../src/export/merge-differences'
import type { PeftModel } from '../../src/peft/model'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { smollm2 } from '../data/tiny'
import { titled } from '../support/shared'
import { adapted, anyUpdate, farthest, load, logitsOf, tokenizerOf } from './support'
import { get_peft_model } from '../../src/peft/model'

const quantization_config = BitsAndBytesConfig.from_dict({
  ...{ load_in_4bit: true, bnb_4bit_quant_type: 'nf4', bnb_4bit_compute_dtype: 'float32' },
})
const texts = ['hello world, hello', 'a b c', 'hell']

const ways = (differences: MergeDifferences): string[] => differences.rows.map(({ merged }) => merged)
const rowOf = (differences: MergeDifferences, name: string): MergeDifferences['rows'][number] =>
  differences.rows.find(({ merged }) => merged === name)!

/** What is told, from the logits before and after a merge of this kind. */
async function byHand(
  model: PeftModel,
  rows: number[][],
  merge: Parameters<PeftModel['merge_adapter']>[0],
): Promise<{ max_logit: number; mean_logit: number; kl_divergence: number; same_top: number }> {
  const logits = async (): Promise<number[][]> => {
    const all: number[][] = []
    for (const ids of rows) {
      const { logits } = await model.forward({ input_ids: [ids] })
      const values = Array.from(await logits.data())
      logits.dispose()
      for (let i = 0; i < ids.length; i++)
        all.push(values.slice(i * model.config.vocab_size, (i + 1) * model.config.vocab_size))
    }
    return all
  }
  const before = await logits()
  await model.merge_adapter(merge)
  const after = await logits()
  model.unmerge_adapter()
  const softmax = (row: number[]): number[] => {
    const powers = row.map((value) => Math.exp(value - Math.max(...row)))
    const sum = powers.reduce((a, b) => a + b)
    return powers.map((power) => power / sum)
  }
  const distances = before.flatMap((row, i) => row.map((value, j) => Math.abs(value - after[i]![j]!)))
  const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length
  const divergences = before.map((row, i) => {
    const [p, q] = [softmax(row), softmax(after[i]!)]
    return p.reduce((sum, value, j) => sum + value * Math.log(value / q[j]!), 0)
  })
  const tops = before.map((row, i) =>
    row.indexOf(Math.max(...row)) === after[i]!.indexOf(Math.max(...after[i]!)) ? 1 : 0,
  )
  return {
    max_logit: distances.reduce((a, b) => Math.max(a, b)),
    mean_logit: mean(distances),
    kl_divergence: mean(divergences),
    same_top: mean(tops),
  }
}

describe('merge_differences', () => {
  it('each way of a base in 4 bits, as computed by hand, the nearest first; the adapter stays as it was', async () => {
    const peft = await adapted('tiny-llama', {}, { quantization_config })
    const tokenizer = await tokenizerOf(265)
    const rows = await Promise.all(texts.map((text) => tokenizer.encode(text)))
    const before = await logitsOf(peft)
    const told = await peft.merge_differences(texts, tokenizer)
    expect(await logitsOf(peft)).toEqual(before)
    expect(told.tokens).toBe(rows.flat().length)
    expect(ways(told).sort()).toEqual([
      'float32, dequantized',
      'float32, original',
      'nf4 again, dequantized',
      'nf4 again, original',
    ])
    const order = told.rows.map(({ kl_divergence }) => kl_divergence)
    expect(order).toEqual([...order].sort((a, b) => a - b))
    const kinds = {
      'float32, dequantized': { dtype: 'float32' },
      'float32, original': { dtype: 'float32', base_weights: 'original' },
      'nf4 again, dequantized': {},
      'nf4 again, original': { base_weights: 'original' },
    } as const
    for (const [name, way] of Object.entries(kinds)) {
      const expected = await byHand(peft, rows, way)
      const { merged: _, ...row } = rowOf(told, name)
      for (const [key, value] of Object.entries(expected))
        expect([name, key, row[key as keyof typeof row]]).toEqual([name, key, expect.closeTo(value, 4)])
    }
    // The sum of the weights that training saw is what the adapter does; quantized again it is another one.
    expect(rowOf(told, 'float32, dequantized').max_logit).toBeLessThan(1e-4)
    expect(rowOf(told, 'nf4 again, dequantized').max_logit).toBeGreaterThan(0.1)
  })

  it('of a base in full there is one way', async () => {
    const peft = await adapted('tiny-qwen2')
    const told = await peft.merge_differences(texts, await tokenizerOf(128))
    expect(ways(told)).toEqual(['float32'])
    expect(told.rows[0]!.same_top).toBe(1)
    expect(told.rows[0]!.max_logit).toBeLessThan(1e-4)
  })

  it('bad input is named, and what was merged is taken out again', async () => {
    const peft = await adapted('tiny-llama')
    const tokenizer = await tokenizerOf(265)
    await expect(peft.merge_differences([], tokenizer)).rejects.toThrow('texts: needs a list of at least one')
    const options = { dtyp: 'float32' } as never
    await expect(peft.merge_differences(texts, tokenizer, options)).rejects.toThrow("Did you mean 'dtype'?")
    expect(farthest(await logitsOf(peft), await logitsOf(peft))).toBe(0)
  })

  const real = smollm2()
  it.skipIf(!real)(
    titled('of SmolLM2 in 4 bits, 16 bits change less than 4 bits again', real, '.cache/models'),
    { timeout: 300_000 },
    async () => {
      const { dir, gguf_file } = real!
      const model = await load(dir, { gguf_file, quantization_config })
      const lora = anyUpdate({ r: 4, lora_alpha: 2, target_modules: ['q_proj', 'v_proj'] })
      const peft = get_peft_model(model, lora, { seed: 5 })
      for (const [, { data }] of peft.named_parameters())
        data.write(new Uint8Array((await data.data()).map((value) => value * 0.1).buffer))
      const tokenizer = await AutoTokenizer.from_pretrained(dir, { gguf_file })
      const told = await peft.merge_differences(['The sky is blue because'], tokenizer, { dtype: 'float16' })
      expect(told.rows[0]!.merged).toBe('float16, dequantized')
      expect(told.rows[0]!.max_logit).toBeLessThan(0.1)
      expect(rowOf(told, 'nf4 again, dequantized').kl_divergence).toBeGreaterThan(
        10 * told.rows[0]!.kl_divergence,
      )
    },
  )
})
