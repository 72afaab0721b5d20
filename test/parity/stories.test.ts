import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import '../../src/generation/mixin'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { load_dataset } from '../../src/data/load-dataset'
import type { PreTrainedTokenizer } from '../../src/data/tokenizer'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import { sharedPath, titled } from '../support/shared'
import { numbers } from './support'

// A trained Llama of 260K parameters with a real tokenizer; the expected values are those of its SOURCE.md (transformers, CPU).

const folder = sharedPath('data', 'stories260k')
const stories = sharedPath('data', 'stories')

const lily = 'Once upon a time, there was a little girl named Lily.'
const lilyIds = [1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426]
const park = `${lily} She loved to play outside in the park.`
const continued = [
  ...[
    432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419, 292, 411,
    322, 265,
  ],
  ...[282, 295, 433, 426],
]
const greedyText = `Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.
Lily's mom said, "Lily, let's go to the park." Lily was sad and didn't know what to do.`

/** Mean loss of next tokens, and how many they are. */
async function lossOf(model: CausalLM, ids: number[]): Promise<{ loss: number; targets: number }> {
  const { loss, logits } = await model.forward({ input_ids: [ids], labels: [ids] })
  logits.dispose()
  return { loss: loss!, targets: ids.length - 1 }
}

describe.skipIf(!folder)(titled('stories260K', folder, 'data/stories260k'), () => {
  let tokenizer: PreTrainedTokenizer
  let model: CausalLM
  beforeAll(async () => {
    tokenizer = await AutoTokenizer.from_pretrained(folder!)
    model = await AutoModelForCausalLM.from_pretrained(folder!)
  })
  afterAll(() => model.dispose())

  it('token ids', async () => {
    expect(model.dtype).toBe('float32')
    expect(await tokenizer.encode('Once upon a time')).toEqual([1, 403, 407, 261, 378])
    expect(await tokenizer.encode('café 🦙')).toEqual([1, 280, 412, 431, 485, 410, 243, 162, 169, 156])
    expect(await tokenizer.encode(lily)).toEqual(lilyIds)
    expect(await tokenizer.decode(lilyIds, { skip_special_tokens: true })).toBe(lily)
  })

  it('losses and the five best logits', async () => {
    expect(Math.abs((await lossOf(model, lilyIds)).loss - 0.100137)).toBeLessThanOrEqual(1.5e-6)
    expect(Math.abs((await lossOf(model, await tokenizer.encode(park))).loss - 0.180356)).toBeLessThanOrEqual(
      1.5e-6,
    )
    const { logits } = await model.forward({ input_ids: [lilyIds] })
    const last = (await numbers(logits)).slice(-model.config.vocab_size)
    logits.dispose()
    const best = Array.from(last.keys()).sort((a, b) => last[b]! - last[a]!)
    expect(best.slice(0, 5)).toEqual([338, 385, 317, 342, 405])
    const expected = [17.4565, 14.7381, 13.8856, 11.785, 11.295]
    for (const [i, value] of expected.entries())
      expect(Math.abs(last[best[i]!]! - value)).toBeLessThanOrEqual(1e-4)
  })

  it('greedy text to the letter', async () => {
    const prompt = await tokenizer.encode('Once upon a time')
    const [sequence] = await model.generate({ input_ids: [prompt] }, { max_new_tokens: 120 })
    expect(sequence!.slice(prompt.length, prompt.length + continued.length)).toEqual(continued)
    const text = await tokenizer.decode(sequence!, { skip_special_tokens: true })
    expect(text.slice(0, greedyText.length)).toBe(greedyText)
  })

  it('bf16 weights', async () => {
    const ids = await tokenizer.encode(park)
    expect(await (await AutoTokenizer.from_pretrained(`${folder}/bf16`)).encode(park)).toEqual(ids)
    const widened = await AutoModelForCausalLM.from_pretrained(`${folder}/bf16`, { dtype: 'float32' })
    expect(Math.abs((await lossOf(widened, ids)).loss - 0.1803784)).toBeLessThanOrEqual(1.5e-6)
    const prompt = await tokenizer.encode('Once upon a time')
    const [sequence] = await widened.generate({ input_ids: [prompt] }, { max_new_tokens: continued.length })
    expect(sequence!.slice(prompt.length)).toEqual(continued)
    widened.dispose()
    const own = await AutoModelForCausalLM.from_pretrained(`${folder}/bf16`)
    expect(own.dtype).toBe('bfloat16')
    // transformers' two attentions give 0.179680 and 0.181189 in bf16.
    expect(Math.abs((await lossOf(own, ids)).loss - 0.18043)).toBeLessThanOrEqual(2e-3)
    own.dispose()
  })

  it.skipIf(!stories)(titled('loss of the first 100 stories', stories, 'data/stories'), async () => {
    const rows = await load_dataset(stories!, { split: 'train[:100]' })
    let sum = 0
    let count = 0
    for (const [i, { text }] of [...rows].entries()) {
      const { loss, targets } = await lossOf(model, (await tokenizer.encode(text as string)).slice(0, 512))
      if (i === 0) expect(Math.abs(loss - 1.321046)).toBeLessThanOrEqual(5e-6)
      sum += loss * targets
      count += targets
    }
    expect(rows).toHaveLength(100)
    expect(sum / count).toBeCloseTo(1.2616, 4)
  })
})
