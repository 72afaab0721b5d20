import { describe, expect, it } from 'vitest'
import { decodeStep, KVCache } from '../../src/models/decode'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { liveBytes, tinyModel } from './tiny'

const ids = [5, 77, 200, 13, 42, 99, 7, 8, 151, 30]

describe.each([
  ['tiny-llama', 'float32', 2e-5],
  ['tiny-llama-nf4', 'float32', 2e-5],
  ['tiny-llama-tied', 'bfloat16', 6e-2],
] as const)('%s in %s', (folder, dtype, tolerance) => {
  it.each([[[10]], [[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]], [[4, 3, 1, 2]]])(
    'fed in pieces of %j, the cache gives the logits of the whole sequence',
    async (pieces) => {
      const model = await tinyModel(folder, { dtype })
      const { logits } = await model.forward({ input_ids: [ids] })
      const whole = await logits.data()
      logits.dispose()
      const cache = new KVCache(model, ids.length)
      let at = 0
      for (const n of pieces) {
        const last = await decodeStep(model, ids.slice(at, at + n), cache)
        at += n
        expect(cache.length).toBe(at)
        const expected = whole.subarray((at - 1) * last.length, at * last.length)
        last.forEach((v, i) => expect(Math.abs(v - expected[i]!)).toBeLessThanOrEqual(tolerance))
      }
      cache.dispose()
    },
  )
})

it('refuses more tokens than fit, and gives its memory back', async () => {
  const model = await tinyModel()
  const before = await liveBytes()
  const cache = new KVCache(model, 4)
  await decodeStep(model, [1, 2, 3], cache)
  await expect(decodeStep(model, [4, 5], cache)).rejects.toThrow(
    '[generate] 5 tokens do not fit into a cache of 4',
  )
  await expect(decodeStep(model, [600], cache)).rejects.toThrow(
    'input_ids: row 0, position 0: got 600; expected an integer from 0 to 511',
  )
  expect(cache.length).toBe(3)
  cache.dispose()
  expect(await liveBytes()).toBeLessThanOrEqual(before)
})

it('decodes double-quantized weights without keeping anything but keys and values', async () => {
  const quantization_config = new BitsAndBytesConfig({ load_in_4bit: true, bnb_4bit_use_double_quant: true })
  const model = await tinyModel('tiny-llama', { dtype: 'float32', quantization_config })
  const { logits } = await model.forward({ input_ids: [[1, 2]] })
  const whole = await logits.data()
  logits.dispose()
  const before = await liveBytes()
  const cache = new KVCache(model, 3)
  await decodeStep(model, [1], cache)
  const second = await decodeStep(model, [2], cache)
  const expected = whole.subarray(second.length)
  second.forEach((v, i) => expect(Math.abs(v - expected[i]!)).toBeLessThanOrEqual(2e-5))
  const kept = cache.layers.reduce((n, { k, v }) => n + k.nbytes + v.nbytes, 0)
  expect(await liveBytes()).toBeLessThanOrEqual(before + kept)
  cache.dispose()
  expect(await liveBytes()).toBeLessThanOrEqual(before)
})
