import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import '../../src/generation/mixin'
import { AutoModelForCausalLM } from '../../src/models/auto'
import type { CausalLM } from '../../src/models/causal-lm'
import { LoraConfig, type LoraInit } from '../../src/peft/config'
import { get_peft_model, PeftModel } from '../../src/peft/model'
import { bestOfRank, type Columns } from '../../src/peft/small-svd'
import type { WeightedOptions } from '../../src/peft/weighted'
import { uniformStream } from '../../src/tensor/uniform-stream'
import { temporaryFolder } from '../files/support/temporary'
import { liveBytes, tinyModel } from '../models/tiny'
import { oracleNeeds, oraclePython, oracleTimeout, runOracle, tensorsAt } from '../parity/oracle'
import { maxAbs } from '../parity/support'
import { golden, titled } from '../support/shared'

const input_ids = [[5, 77, 200, 13, 9, 42]]

async function logitsOf(model: Pick<CausalLM, 'forward'>): Promise<Float32Array> {
  const { logits } = await model.forward({ input_ids })
  const values = await logits.data()
  logits.dispose()
  return values
}

const lora = (init: LoraInit = {}): LoraConfig =>
  new LoraConfig({
    ...{ r: 4, lora_alpha: 8, target_modules: 'all-linear', init_lora_weights: false },
    ...init,
  })

/** A model with two adapters, 'first' active, and the logits of each alone and of none. */
async function twoAdapters(
  second: LoraInit = {},
  first: LoraInit = {},
): Promise<{ model: PeftModel; alone: { first: Float32Array; second: Float32Array; none: Float32Array } }> {
  const base = await tinyModel('tiny-llama', { dtype: 'float32' })
  const none = await logitsOf(base)
  const model = get_peft_model(base, lora(first), { seed: 1, adapter_name: 'first' })
  const firstAlone = await logitsOf(model)
  model.unload()
  const other = get_peft_model(base, lora(second), { seed: 2 })
  const secondAlone = await logitsOf(other)
  other.unload()
  const both = get_peft_model(base, lora(first), { seed: 1, adapter_name: 'first' })
  await both.add_adapter('second', lora(second), { seed: 2 })
  return { model: both, alone: { first: firstAlone, second: secondAlone, none } }
}

describe('several adapters', () => {
  it.each<[string, LoraInit]>([
    ['alike', {}],
    ['of other layers and rank', { r: 2, target_modules: ['q_proj', 'down_proj'] }],
    ['with DoRA', { use_dora: true }],
    ['with a head of its own', { target_modules: ['v_proj'], modules_to_save: ['lm_head'] }],
  ])('%s: the active one answers, exactly as if alone', async (_, second) => {
    const { model, alone } = await twoAdapters(second)
    expect(model.adapter_names).toEqual(['first', 'second'])
    expect(model.active_adapter).toBe('first')
    expect(await logitsOf(model)).toEqual(alone.first)
    model.set_adapter('second')
    expect(model.active_adapter).toBe('second')
    expect(model.peft_config.r).toBe(second.r ?? 4)
    expect(await logitsOf(model)).toEqual(alone.second)
    expect(alone.second).not.toEqual(alone.first)
    expect(await model.disable_adapter(() => logitsOf(model))).toEqual(alone.none)
    model.set_adapter('first')
    expect(await logitsOf(model)).toEqual(alone.first)
    model.set_adapter('second')
    expect(await logitsOf(model.unload())).toEqual(alone.none)
  })

  it('are freed with the model, or one by one', async () => {
    const base = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), { dtype: 'float32' })
    const before = await liveBytes()
    const model = get_peft_model(base, lora({ modules_to_save: ['lm_head'], target_modules: ['q_proj'] }))
    const withOne = await liveBytes()
    await model.add_adapter('second', lora({ modules_to_save: ['lm_head'], target_modules: ['q_proj'] }))
    expect(await liveBytes()).toBeGreaterThan(withOne)
    model.delete_adapter('second')
    expect(await liveBytes()).toBe(withOne)
    await model.add_adapter('third', lora())
    model.unload()
    expect(await liveBytes()).toBe(before)
    base.dispose()
  })

  it('only the active one trains and is saved; it loads beside others', async () => {
    const { model, alone } = await twoAdapters()
    const folder = await temporaryFolder()
    await model.forward_backward({ input_ids, labels: input_ids })
    const moved = model.parameters().filter(({ grad }) => grad)
    model.set_adapter('second')
    expect(moved.length).toBeGreaterThan(0)
    expect(model.parameters().filter(({ grad }) => grad)).toEqual([])
    await model.save_pretrained(folder)
    model.unload()
    const again = get_peft_model(model.base_model, lora(), { seed: 9 })
    await again.load_adapter(folder, 'loaded')
    expect(await logitsOf(again)).not.toEqual(alone.second)
    again.set_adapter('loaded')
    expect(await logitsOf(again)).toEqual(alone.second)
    again.unload()
    const named = await PeftModel.from_pretrained(model.base_model, folder, { adapter_name: 'mine' })
    expect([named.active_adapter, named.adapter_names]).toEqual(['mine', ['mine']])
  })

  it('a name that is taken or unknown, shared biases, the active one: refused, and nothing has changed', async () => {
    const { model, alone } = await twoAdapters()
    await expect(model.add_adapter('first', lora())).rejects.toThrow(
      "the model has an adapter 'first' already",
    )
    expect(() => model.set_adapter('third')).toThrow(
      "the model has no adapter 'third'; it has 'first', 'second'",
    )
    expect(() => model.delete_adapter('first')).toThrow("'first' is the active adapter")
    const before = await liveBytes()
    await expect(model.add_adapter('b', lora({ bias: 'all' }))).rejects.toThrow(
      "bias 'all' trains biases of the base",
    )
    await expect(model.add_adapter('t', lora({ target_modules: ['nothing'] }))).rejects.toThrow('nothing')
    await expect(model.load_adapter(await temporaryFolder(), 'l')).rejects.toThrow(
      'has no adapter_config.json',
    )
    expect(await liveBytes()).toBe(before)
    expect(model.adapter_names).toEqual(['first', 'second'])
    expect(await logitsOf(model)).toEqual(alone.first)
  })
})

const cases: { name: string; weights: number[]; options: WeightedOptions }[] = [
  { name: 'svd', weights: [0.7, 0.5], options: {} },
  { name: 'svd of rank 3', weights: [0.7, -0.5], options: { svd_rank: 3 } },
  { name: 'svd of all ranks', weights: [1, 1], options: { svd_rank: 8 } },
  { name: 'cat', weights: [0.7, -0.5], options: { combination_type: 'cat' } },
  { name: 'linear', weights: [0.7, -0.5], options: { combination_type: 'linear' } },
]

describe('weighted sums', () => {
  it("'cat', and 'svd' of all ranks, are the sum of the updates; one adapter with weight 1 is itself", async () => {
    const { model, alone } = await twoAdapters(
      { target_modules: ['o_proj'], r: 2 },
      { target_modules: ['q_proj'] },
    )
    await model.add_weighted_adapter(['first', 'second'], [1, 1], 'cat', { combination_type: 'cat' })
    await model.add_weighted_adapter(['first', 'second'], [1, 1], 'svd', { svd_rank: 6 })
    await model.add_weighted_adapter(['first'], [1], 'self')
    await model.add_weighted_adapter(['first', 'second'], [0, 0], 'zero')
    const found = async (name: string): Promise<Float32Array> => {
      model.set_adapter(name)
      return logitsOf(model)
    }
    const cat = await found('cat')
    expect(maxAbs(cat, alone.first)).toBeGreaterThan(0.01)
    expect(maxAbs(await found('svd'), cat)).toBeLessThanOrEqual(2e-5)
    expect(maxAbs(await found('self'), alone.first)).toBeLessThanOrEqual(2e-5)
    expect(maxAbs(await found('zero'), alone.none)).toBeLessThanOrEqual(2e-6)
  })

  it.skipIf(!oraclePython)(
    titled("are PEFT's", oraclePython, oracleNeeds),
    async () => {
      const { model } = await twoAdapters({ lora_alpha: 6 })
      const folder = await temporaryFolder()
      const adapters: Record<string, string> = {}
      for (const name of ['first', 'second']) {
        adapters[name] = join(folder, name)
        model.set_adapter(name)
        await model.save_pretrained(adapters[name])
      }
      const output = join(folder, 'logits.safetensors')
      const asked = cases.map((one) => ({ ...one, adapters: ['first', 'second'] }))
      await runOracle('peft_weighted.py', {
        base: golden('tiny-llama'),
        adapters,
        cases: asked,
        input_ids,
        output,
      })
      const theirs = await tensorsAt(output)
      for (const { name, weights, options } of cases) {
        await model.add_weighted_adapter(['first', 'second'], weights, name, options)
        model.set_adapter(name)
        expect(maxAbs(await logitsOf(model), theirs.get(name)!.data), name).toBeLessThanOrEqual(5e-5)
      }
      expect(maxAbs(theirs.get('svd')!.data, theirs.get('cat')!.data)).toBeGreaterThan(0.01)
    },
    oracleTimeout,
  )

  it('what cannot be summed is refused with the reason', async () => {
    const { model } = await twoAdapters({ r: 2 })
    const add = (names: string[], weights: number[], options: object = {}): Promise<void> =>
      model.add_weighted_adapter(names, weights, 'sum', options)
    await expect(add(['first', 'x'], [1, 1])).rejects.toThrow("the model has no adapter 'x'")
    await expect(add(['first', 'second'], [1])).rejects.toThrow('weights: got [1], needs 2 numbers')
    await expect(add(['first', 'second'], [1, NaN])).rejects.toThrow('needs 2 numbers')
    await expect(add([], [])).rejects.toThrow('adapters is empty')
    await expect(add(['first', 'second'], [1, 1], { combination_type: 'linear' })).rejects.toThrow(
      "combination_type 'linear' needs adapters of one rank, got 4, 2",
    )
    await expect(add(['first', 'second'], [1, 1], { combination_type: 'ties' })).rejects.toThrow(
      "got 'ties', needs one of",
    )
    await expect(add(['first', 'second'], [1, 1], { density: 0.5 })).rejects.toThrow(
      'density = 0.5 is not supported',
    )
    await model.add_adapter('dora', lora({ use_dora: true }))
    await expect(add(['first', 'dora'], [1, 1])).rejects.toThrow('adapters with DoRA are no sums of updates')
    expect(model.adapter_names).toEqual(['first', 'second', 'dora'])
  })
})

describe('the best approximation of a rank', () => {
  const product = (left: Columns, right: Columns, i: number, j: number): number =>
    left.reduce((sum, column, k) => sum + column[i]! * right[k]![j]!, 0)

  it('has orthogonal parts, largest first, and all of them give the product back, dependent columns or not', () => {
    const uniform = uniformStream(2)
    const random = (n: number): Float64Array => Float64Array.from({ length: n }, () => uniform() - 0.5)
    const left = [random(9), random(9), random(9)]
    const right = [random(5), random(5), random(5)]
    left.push(left[0]!.map((value, i) => value + 2 * left[1]![i]!))
    right.push(right[2]!.slice())
    const factors = bestOfRank(left, right, 4)
    for (let i = 0; i < 9; i++)
      for (let j = 0; j < 5; j++)
        expect(
          Math.abs(product(factors.left, factors.right, i, j) - product(left, right, i, j)),
        ).toBeLessThan(1e-12)
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
    const sizes = factors.left.map((column) => Math.sqrt(dot(column, column)))
    expect([...sizes].sort((a, b) => b - a)).toEqual(sizes)
    expect(sizes[3]).toBeLessThan(1e-12)
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      expect(Math.abs(dot(factors.left[a]!, factors.left[b]!))).toBeLessThan(1e-12)
      expect(Math.abs(dot(factors.right[a]!, factors.right[b]!))).toBeLessThan(1e-12)
    }
  })
})
