import { describe, expect, it } from 'vitest'
import { decodeStep, greedyStep } from '../../src/models/decode'
import { KVCache } from '../../src/models/kv-cache'
import { LoraConfig } from '../../src/peft/config'
import { get_peft_model } from '../../src/peft/model'
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
        const last = await decodeStep(model, [{ row: 0, ids: ids.slice(at, at + n) }], cache)
        at += n
        expect(cache.lengths).toEqual([at])
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
  await decodeStep(model, [{ row: 0, ids: [1, 2, 3] }], cache)
  await expect(decodeStep(model, [{ row: 0, ids: [4, 5] }], cache)).rejects.toThrow(
    '[generate] 5 tokens do not fit into a cache of 4',
  )
  await expect(decodeStep(model, [{ row: 0, ids: [600] }], cache)).rejects.toThrow(
    'input_ids: row 0, position 0: got 600; expected an integer from 0 to 511',
  )
  expect(cache.lengths).toEqual([3])
  cache.dispose()
  expect(await liveBytes()).toBeLessThanOrEqual(before)
})

it('decodes double-quantized weights without keeping anything but keys and values', async () => {
  const quantization_config = new BitsAndBytesConfig({ load_in_4bit: true, bnb_4bit_use_double_quant: true })
  const model = await tinyModel('tiny-llama', { dtype: 'float32', quantization_config })
  const { logits } = await model.forward({ input_ids: [[1, 2, 3]] })
  const whole = await logits.data()
  logits.dispose()
  const before = await liveBytes()
  const cache = new KVCache(model, 3)
  await decodeStep(model, [{ row: 0, ids: [1] }], cache)
  const second = await decodeStep(model, [{ row: 0, ids: [2, 3] }], cache)
  const expected = whole.subarray(2 * second.length)
  second.forEach((v, i) => expect(Math.abs(v - expected[i]!)).toBeLessThanOrEqual(2e-5))
  const kept = cache.layers.reduce((n, { k, v }) => n + k.nbytes + v.nbytes, 0)
  expect(await liveBytes()).toBeLessThanOrEqual(before + kept)
  cache.dispose()
  expect(await liveBytes()).toBeLessThanOrEqual(before)
})

describe('rows of different lengths', () => {
  const rows = [ids, ids.slice(2, 5), [300, 4], ids.slice(0, 7)]

  async function wholeLogits(folder: 'tiny-llama' | 'tiny-llama-nf4', row: number[]): Promise<Float32Array> {
    const model = await tinyModel(folder, { dtype: 'float32' })
    const { logits } = await model.forward({ input_ids: [row] })
    const values = await logits.data()
    logits.dispose()
    return values
  }

  function expectNear(found: Float32Array, wanted: Float32Array): void {
    expect(found.length).toBe(wanted.length)
    found.forEach((v, i) => expect(Math.abs(v - wanted[i]!)).toBeLessThanOrEqual(2e-5))
  }

  it.each(['tiny-llama', 'tiny-llama-nf4'] as const)(
    '%s: each has the logits of its own sequence, in any order, with rows left out',
    async (folder) => {
      const model = await tinyModel(folder, { dtype: 'float32' })
      const cache = new KVCache(model, 12, 4)
      // Row 3 first, and the first tokens of 0; then 0, 2 and 1 together; row 3 is done.
      await decodeStep(
        model,
        [
          { row: 3, ids: rows[3]! },
          { row: 0, ids: rows[0]!.slice(0, 4), logits: 0 },
        ],
        cache,
      )
      const steps = [
        { row: 2, ids: rows[2]! },
        { row: 0, ids: rows[0]!.slice(4), logits: 3 },
        { row: 1, ids: rows[1]! },
      ]
      const values = await decodeStep(model, steps, cache)
      expect(cache.lengths).toEqual([10, 3, 2, 7])
      const vocab = model.config.vocab_size
      expect(values.length).toBe(5 * vocab)
      const whole = await Promise.all(rows.map((row) => wholeLogits(folder, row)))
      expectNear(values.slice(0, vocab), whole[2]!.slice(vocab))
      expectNear(values.slice(vocab, 4 * vocab), whole[0]!.slice(7 * vocab))
      expectNear(values.slice(4 * vocab), whole[1]!.slice(2 * vocab))
      cache.dispose()
    },
  )

  it('logits come in the order of the steps', async () => {
    const model = await tinyModel('tiny-llama', { dtype: 'float32' })
    const cache = new KVCache(model, 4, 4)
    const [a, b, c, d] = [7, 30, 99, 2]
    const order = [0, 2, 1, 3].map((row) => ({ row, ids: [[a, b, c, d][row]!] }))
    const values = await decodeStep(model, order, cache)
    const vocab = model.config.vocab_size
    for (const [i, id] of [a, c, b, d].entries())
      expectNear(values.slice(i * vocab, (i + 1) * vocab), await wholeLogits('tiny-llama', [id]))
    cache.dispose()
  })

  it('a row goes on from its copy, after cropping, and in a larger cache', async () => {
    const model = await tinyModel('tiny-llama', { dtype: 'float32' })
    const wanted = (await wholeLogits('tiny-llama', ids)).slice(-model.config.vocab_size)
    const before = await liveBytes()
    const cache = new KVCache(model, 8, 3)
    await decodeStep(
      model,
      [
        { row: 0, ids: [9] },
        { row: 1, ids: [...ids.slice(0, 5), 1, 2] },
      ],
      cache,
    )
    cache.crop(1, 5)
    cache.copyRow(1, 2)
    cache.grow(16)
    expect([cache.capacity, ...cache.lengths]).toEqual([16, 1, 5, 5])
    const rest = ids.slice(5)
    const values = await decodeStep(
      model,
      [
        { row: 2, ids: rest },
        { row: 1, ids: rest },
      ],
      cache,
    )
    const vocab = model.config.vocab_size
    expectNear(values.slice(0, vocab), wanted)
    expectNear(values.slice(vocab), wanted)
    cache.dispose()
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  })
})

describe('steps of one token, which are recorded', () => {
  const next = [3, 1, 4, 1, 5, 9]

  it('of rows in any order give the logits of whole sequences', async () => {
    const model = await tinyModel()
    const cache = new KVCache(model, 16, 3)
    const prompts = [[5, 77], [200, 13, 42], [9]]
    await decodeStep(
      model,
      prompts.map((prompt, row) => ({ row, ids: prompt })),
      cache,
    )
    for (const [t, rows] of [
      [0, 1, 2],
      [0, 1, 2],
      [0, 1, 2],
      [2, 0],
      [2, 0],
      [2, 0],
    ].entries()) {
      for (const row of rows) prompts[row]!.push(next[t]! + row)
      const steps = rows.map((row) => ({ row, ids: prompts[row]!.slice(-1) }))
      const found = await decodeStep(model, steps, cache)
      for (const [i, row] of rows.entries()) {
        const { logits } = await model.forward({ input_ids: [prompts[row]!] })
        const whole = await logits.data()
        logits.dispose()
        const size = model.config.vocab_size
        const own = found.subarray(i * size, (i + 1) * size)
        whole.slice(-size).forEach((v, j) => expect(Math.abs(v - own[j]!)).toBeLessThanOrEqual(2e-5))
      }
    }
    cache.dispose()
  })

  it('follow an adapter that is switched, and are greedy where the logits are largest', async () => {
    const model = await tinyModel()
    const peft = get_peft_model(model, new LoraConfig({ r: 4, init_lora_weights: false }))
    const stepped = async (cache: KVCache, id: number): Promise<Float32Array> =>
      decodeStep(model, [{ row: 0, ids: [id] }], cache)
    const recorded = new KVCache(model, 16)
    for (const id of next) await stepped(recorded, id)
    await peft.disable_adapter(async () => {
      const plain = new KVCache(model, 16)
      await decodeStep(model, [{ row: 0, ids: [2] }], plain)
      recorded.crop(0, 0)
      const off = await stepped(recorded, 2)
      plain.crop(0, 0)
      expect(off).toEqual(await stepped(plain, 2))
      plain.dispose()
    })
    recorded.crop(0, 0)
    const on = await stepped(recorded, 2)
    const { logits } = await model.forward({ input_ids: [[2]] })
    const expected = await logits.data()
    logits.dispose()
    expected.forEach((v, i) => expect(Math.abs(v - on[i]!)).toBeLessThanOrEqual(2e-5))
    recorded.crop(0, 0)
    const [largest] = await greedyStep(model, [{ row: 0, ids: [2] }], recorded)
    expect(largest).toBe(on.indexOf(Math.max(...on)))
    recorded.dispose()
  })

  it('computed ahead are those that are asked for one by one; what was not asked for is forgotten', async () => {
    const model = await tinyModel()
    const greedy = async (steps: number, length: number): Promise<number[][]> => {
      const cache = new KVCache(model, length, 2)
      const owner = {}
      let ids = [5, 9]
      const found: number[][] = []
      await decodeStep(
        model,
        [
          { row: 0, ids: [1, 2] },
          { row: 1, ids: [3] },
        ],
        cache,
      )
      for (let t = 0; t < 8; t++) {
        if (t === 5) ids = [7, 8] // not what was expected
        const rows = ids.map((id, row) => ({ row, ids: [id] }))
        const largest = await greedyStep(model, rows, cache, t === 6 ? undefined : { owner, steps })
        ids = [...largest]
        found.push(ids)
      }
      expect(cache.lengths).toEqual([10, 9])
      await expect(
        greedyStep(model, [{ row: 0, ids: [1] }], { ...cache, capacity: 10 } as KVCache),
      ).rejects.toThrow('11 tokens do not fit')
      cache.dispose()
      return found
    }
    const oneByOne = await greedy(0, 12)
    expect(await greedy(2, 12)).toEqual(oneByOne)
    expect(await greedy(2, 10)).toEqual(oneByOne) // no room to go further
  })

  it('computed ahead for another, or before the weights changed, are not taken', async () => {
    const model = await tinyModel()
    const peft = get_peft_model(model, new LoraConfig({ r: 4, init_lora_weights: false }))
    const cache = new KVCache(model, 16)
    const first = { owner: {}, steps: 2 }
    const step = async (id: number, ahead = first): Promise<number> =>
      (await greedyStep(model, [{ row: 0, ids: [id] }], cache, ahead))[0]!
    let id = 5
    for (let t = 0; t < 4; t++) id = await step(id)
    for (const [name, parameter] of peft.named_parameters())
      if (name.includes('lora_B')) parameter.data.write(new Uint8Array(parameter.data.nbytes))
    const after = await step(id, { owner: {}, steps: 2 })
    cache.crop(0, 4)
    expect(after).toBe(await step(id))
    cache.dispose()
  })
})
