import { describe, expect, it } from 'vitest'
import type { GenerateOptions } from '../../src/generation/options'
import { DynamicCache } from '../../src/generation/dynamic-cache'
import { tinyModel } from '../models/tiny'

// Phi-3's rotary frequencies switch once, here after 10 tokens: keys that were made before are made anew, those of each row by its own length.

const rows = [
  [46, 45, 22, 49],
  [46, 45, 22, 49, 28, 43, 99, 14, 77, 30, 8, 120, 65],
  [60, 9],
]
const base: GenerateOptions = { max_new_tokens: 7, eos_token_id: [] }

async function answers(options: GenerateOptions, input_ids = rows): Promise<number[][]> {
  const model = await tinyModel('tiny-phi3', { dtype: 'float32' })
  return model.generate({ input_ids }, { ...base, ...options })
}

describe('a text that passes the length at which the frequencies switch', () => {
  it.each<[string, GenerateOptions]>([
    ['with the cache', {}],
    ['prompts in parts', { prefill_chunk_size: 3 }],
    ['beams', { num_beams: 2 }],
  ])('%s: as without a cache, each row as if alone', async (_, options) => {
    const { num_beams } = options
    const beams = num_beams ? { num_beams } : {}
    const alone = await Promise.all(rows.map((row) => answers({ ...beams, use_cache: false }, [row])))
    expect(await answers(options)).toEqual(alone.map(([answer]) => answer))
  })

  it('a cache that is kept between calls', async () => {
    const model = await tinyModel('tiny-phi3', { dtype: 'float32' })
    using past_key_values = new DynamicCache()
    const [first] = await model.generate(
      { input_ids: [rows[0]!] },
      { ...base, max_new_tokens: 4, past_key_values },
    )
    const [second] = await model.generate({ input_ids: [first!] }, { ...base, past_key_values })
    const [whole] = await model.generate({ input_ids: [first!] }, { ...base, use_cache: false })
    expect(second).toEqual(whole)
    expect(second!.length).toBe(15)
  })
})
