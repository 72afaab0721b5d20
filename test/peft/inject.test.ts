import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { logger } from '../../src/logging'
import type { CausalLM } from '../../src/models/causal-lm'
import { type Linear } from '../../src/nn/linear'
import { LoraConfig, type LoraInit } from '../../src/peft/config'
import { get_peft_model } from '../../src/peft/model'
import { liveBytes, randomInputs, tinyModel, tinyPeft } from '../models/tiny'

const inputs = randomInputs([7, 5])

async function logitsOf(model: Pick<CausalLM, 'forward'>): Promise<Float32Array> {
  const { logits } = await model.forward(inputs)
  const values = await logits.data()
  logits.dispose()
  return values
}

describe('the start of A and B', () => {
  const q = 'base_model.model.model.layers.0.self_attn.q_proj'
  const start = async (lora: LoraInit, seed = 3): Promise<{ a: Float32Array; b: Float32Array }> => {
    const model = await tinyPeft({ r: 16, ...lora }, 'tiny-llama', { seed })
    const byName = new Map(model.named_parameters())
    const [a, b] = [byName.get(`${q}.lora_A.weight`)!, byName.get(`${q}.lora_B.weight`)!]
    expect([a.data.shape, b.data.shape]).toEqual([
      [16, 64],
      [64, 16],
    ])
    return { a: await a.data.data(), b: await b.data.data() }
  }
  const mean = (v: Float32Array): number => v.reduce((s, x) => s + x, 0) / v.length
  const deviation = (v: Float32Array): number => Math.sqrt(mean(v.map((x) => x * x)))
  const largest = (v: Float32Array): number => v.reduce((m, x) => Math.max(m, Math.abs(x)), 0)

  it('true: A uniform within 1 / sqrt(inputs), B zero', async () => {
    const { a, b } = await start({ init_lora_weights: true })
    expect(largest(a)).toBeLessThanOrEqual(1 / 8)
    expect(largest(a)).toBeGreaterThan(0.98 / 8)
    expect(Math.abs(mean(a))).toBeLessThanOrEqual(4 / 8 / Math.sqrt(3 * 1024))
    expect(Math.abs(deviation(a) * 8 * Math.sqrt(3) - 1)).toBeLessThanOrEqual(0.05)
    expect(largest(b)).toBe(0)
  })

  it("'gaussian': A normal with deviation 1 / r, B zero", async () => {
    const { a, b } = await start({ init_lora_weights: 'gaussian' })
    expect(Math.abs(deviation(a) * 16 - 1)).toBeLessThanOrEqual(0.1)
    expect(largest(a)).toBeGreaterThan(2.5 / 16)
    expect(largest(b)).toBe(0)
  })

  it('false: B uniform within 1 / sqrt(r) too', async () => {
    const { a, b } = await start({ init_lora_weights: false })
    expect(largest(a)).toBeLessThanOrEqual(1 / 8)
    expect(largest(b)).toBeLessThanOrEqual(1 / 4)
    expect(largest(b)).toBeGreaterThan(0.98 / 4)
  })

  it("'orthogonal': both have values of deviation about 0.1 / sqrt(2), and B A is zero", async () => {
    const { a, b } = await start({ init_lora_weights: 'orthogonal' })
    for (const values of [a, b])
      expect(Math.abs((deviation(values) * Math.SQRT2) / 0.1 - 1)).toBeLessThan(0.1)
    let most = 0
    for (let o = 0; o < 64; o++)
      for (let i = 0; i < 64; i++) {
        let sum = 0
        for (let k = 0; k < 16; k++) sum += b[o * 16 + k]! * a[k * 64 + i]!
        most = Math.max(most, Math.abs(sum))
      }
    expect(most).toBeLessThan(1e-7)
    await expect(start({ init_lora_weights: 'orthogonal', r: 3 })).rejects.toThrow(
      'needs an even rank, got 3',
    )
  })

  it('follows the seed, and differs from layer to layer', async () => {
    const { a } = await start({}, 1)
    expect((await start({}, 1)).a).toEqual(a)
    expect((await start({}, 2)).a).not.toEqual(a)
    const model = await tinyPeft({ target_modules: ['q_proj'] })
    const [first, , second] = model.parameters()
    expect(await first!.data.data()).not.toEqual(await second!.data.data())
  })

  it('does not change the model, but for false', async () => {
    const bare = await logitsOf(await tinyModel())
    for (const init_lora_weights of [true, 'gaussian'] as const) {
      expect(await logitsOf(await tinyPeft({ init_lora_weights }))).toEqual(bare)
      expect(await logitsOf(await tinyPeft({ init_lora_weights, modules_to_save: ['lm_head'] }))).toEqual(
        bare,
      )
    }
    expect(await logitsOf(await tinyPeft())).not.toEqual(bare)
  })

  it('is in float32 whatever the model, unless asked otherwise', async () => {
    const model = await tinyModel('tiny-llama-tied')
    for (const [options, dtype] of [
      [{}, 'float32'],
      [{ autocast_adapter_dtype: false }, 'bfloat16'],
      [{ dtype: 'float16' }, 'float16'],
    ] as const) {
      const adapted = get_peft_model(model, new LoraConfig(), options)
      expect(adapted.parameters()[0]!.data.dtype).toBe(dtype)
      adapted.unload()
    }
  })
})

describe('scale and rank', () => {
  it('the update grows with lora_alpha; use_rslora divides by sqrt(r)', async () => {
    const of = (lora: LoraInit): Promise<Float32Array> => tinyPeft({ r: 16, ...lora }).then(logitsOf)
    expect(await of({ lora_alpha: 8 })).not.toEqual(await of({ lora_alpha: 16 }))
    expect(await of({ lora_alpha: 8, use_rslora: true })).toEqual(await of({ lora_alpha: 32 }))
    expect(await of({ lora_alpha: 8, alpha_pattern: { '.*_proj': 32 } })).toEqual(
      await of({ lora_alpha: 32 }),
    )
  })

  it('rank_pattern changes the shapes of single layers', async () => {
    const model = await tinyPeft({ r: 4, rank_pattern: { 'layers.1.mlp.up_proj': 2 } })
    const ranks = model
      .parameters()
      .filter((p) => p.name.endsWith('lora_A.weight'))
      .map((p) => p.data.shape[0])
    expect([ranks.filter((r) => r === 2).length, ranks.filter((r) => r === 4).length]).toEqual([1, 20])
  })
})

describe('taking it off', () => {
  it.each([
    ['tiny-llama', { bias: 'none' }],
    ['tiny-llama-nf4', { modules_to_save: ['lm_head'] }],
    ['tiny-llama-tied', { modules_to_save: ['lm_head'] }],
    ['tiny-llama-nf4', { use_dora: true }],
    ['tiny-llama-bias', { bias: 'all' }],
  ] as const)(
    '%s, %j: the base answers as before, bit for bit, and the memory is free',
    async (folder, lora) => {
      const base = await tinyModel(folder)
      const bare = await logitsOf(base)
      const before = await liveBytes()
      const config = new LoraConfig({
        target_modules: 'all-linear',
        init_lora_weights: false,
        ...structuredClone(lora),
      } as LoraInit)
      const model = get_peft_model(base, config)
      expect(await logitsOf(model)).not.toEqual(bare)
      await model.forward_backward(inputs)
      expect(model.unload()).toBe(base)
      expect(await logitsOf(base)).toEqual(bare)
      expect(base.parameters()).toEqual([])
      expect(await liveBytes()).toBeLessThanOrEqual(before)
      const again = get_peft_model(base, config)
      expect(await logitsOf(again)).not.toEqual(bare)
    },
  )

  it('disable_adapter lets the base answer while its body runs, also when that fails', async () => {
    for (const lora of [{}, { modules_to_save: ['lm_head'] }]) {
      const bare = await logitsOf(await tinyModel())
      const model = await tinyPeft(lora)
      const head = model.named_parameters().find(([name]) => name.endsWith('lm_head.weight'))
      head?.[1].data.write(new Uint8Array(head[1].data.nbytes))
      const adapted = await logitsOf(model)
      expect(await model.disable_adapter(() => logitsOf(model))).toEqual(bare)
      expect(await logitsOf(model)).toEqual(adapted)
      await expect(model.disable_adapter(() => Promise.reject(new Error('boom')))).rejects.toThrow('boom')
      expect(await logitsOf(model)).toEqual(adapted)
    }
  })
})

describe('merging', () => {
  it.each([
    ['tiny-llama', { modules_to_save: ['lm_head'] }],
    ['tiny-llama-tied', { modules_to_save: ['lm_head'] }],
    ['tiny-llama', { use_dora: true }],
    ['tiny-llama-bias', { bias: 'all', lora_alpha: 2 }],
  ] as const)('%s, %j: the base answers as the adapter did, and trained heads stay', async (folder, lora) => {
    const before = await liveBytes()
    const model = await tinyPeft({ ...structuredClone(lora), init_lora_weights: false } as LoraInit, folder)
    const head = model.named_parameters().find(([name]) => name.endsWith('lm_head.weight'))
    head?.[1].data.write(new Uint8Array(head[1].data.nbytes))
    const adapted = await logitsOf(model)
    const base = await model.merge_and_unload()
    const merged = await logitsOf(base)
    merged.forEach((v, i) => expect(Math.abs(v - adapted[i]!)).toBeLessThanOrEqual(2e-4))
    expect(base.parameters()).toEqual([])
    base.dispose()
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  })
})

describe('what trains', () => {
  it("bias: 'none', 'all' biases, or those beside an adapter", async () => {
    const names = async (bias: LoraConfig['bias']): Promise<string[]> => {
      const model = await tinyPeft({ bias, target_modules: ['q_proj'] }, 'tiny-llama-bias')
      return model
        .named_parameters()
        .map(([name]) => name)
        .filter((name) => name.endsWith('.bias'))
    }
    expect(await names('none')).toEqual([])
    expect(await names('lora_only')).toEqual(
      [0, 1].map((i) => `base_model.model.model.layers.${i}.self_attn.q_proj.base_layer.bias`),
    )
    const all = await names('all')
    expect(all.length).toBe(2 * 7)
    expect(all).toContain('base_model.model.model.layers.1.mlp.down_proj.bias')
  })

  it('merging an adapter on a tied head keeps the embedding', async () => {
    const model = await tinyModel('tiny-llama-tied')
    const embedding = Array.from(await model.parts.embed_tokens.weight.data())
    const peft = get_peft_model(
      model,
      new LoraConfig({ target_modules: ['lm_head'], init_lora_weights: false }),
    )
    const warning = vi.spyOn(logger, 'warning').mockImplementation(() => {})
    onTestFinished(() => warning.mockRestore())
    const merged = await peft.merge_and_unload()
    expect(warning.mock.calls.flat()).toEqual([
      expect.stringContaining('the head shares its weight with model.embed_tokens (tie_word_embeddings)'),
    ])
    expect(Array.from(await merged.parts.embed_tokens.weight.data())).toEqual(embedding)
    expect(Array.from(await (merged.parts.lm_head as Linear).weight.data())).not.toEqual(embedding)
    // What a checkpoint of it has to hold.
    expect([...merged.tensors()].map(({ key }) => key).slice(-2)).toEqual([
      'model.norm.weight',
      'lm_head.weight',
    ])
    merged.dispose()
  })

  it('an embedding as a target is refused', async () => {
    const model = await tinyModel('tiny-llama')
    for (const target_modules of [['q_proj', 'embed_tokens'], '.*embed_tokens|.*q_proj'])
      expect(() => get_peft_model(model, new LoraConfig({ target_modules }))).toThrow(
        'takes in embed_tokens: adapters on embeddings are not built',
      )
    model.dispose()
  })

  it('modules_to_save: a copy of the head, also where it is tied to the embedding', async () => {
    const model = await tinyPeft(
      { modules_to_save: ['lm_head'], target_modules: ['q_proj'] },
      'tiny-llama-tied',
    )
    const [name, head] = model.named_parameters().at(-1)!
    expect([name, head.data.shape]).toEqual(['base_model.model.lm_head.weight', [256, 64]])
    const embedding = model.base_model.parts.embed_tokens.weight
    expect(await head.data.bytes()).toEqual(await embedding.bytes())
    const before = await embedding.bytes()
    await model.forward_backward(inputs)
    expect((await head.grad!.data()).some((v) => v !== 0)).toBe(true)
    head.data.write(new Uint8Array(head.data.nbytes))
    expect(await embedding.bytes()).toEqual(before)
  })

  // A layer has 46,208 weights in matrices and norms, and 608 in biases; embedding and head 64 a word each.
  it.each([
    ['tiny-llama', { target_modules: ['q_proj', 'v_proj'] }, [2688, 204_224 + 2688]],
    ['tiny-llama-nf4', { target_modules: ['q_proj', 'v_proj'] }, [2688, 204_224 + 2688]],
    ['tiny-llama-bias', { target_modules: ['q_proj'], bias: 'all' }, [1024 + 1216, 126_464 + 1024]],
    [
      'tiny-llama-tied',
      { target_modules: ['q_proj'], modules_to_save: ['lm_head'] },
      [1024 + 16_384, 108_864 + 1024 + 16_384],
    ],
  ] as [Parameters<typeof tinyModel>[0], LoraInit, number[]][])(
    '%s, %j: %j parameters',
    async (folder, lora, counts) => {
      const model = await tinyPeft(lora, folder)
      expect(model.get_nb_trainable_parameters()).toEqual(counts)
    },
  )

  it('print_trainable_parameters prints them as PEFT does', async () => {
    const model = await tinyPeft({ target_modules: ['q_proj', 'v_proj'] })
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    model.print_trainable_parameters()
    expect(log.mock.calls).toEqual([['trainable params: 2,688 || all params: 206,912 || trainable%: 1.2991']])
    log.mockRestore()
  })
})

describe('refused, the model stays as it was', () => {
  it.each([
    [
      'tiny-llama',
      { modules_to_save: ['norm'] },
      "[LoraConfig] modules_to_save: 'norm' is not supported; supported: lm_head, embed_tokens",
    ],
    ['tiny-llama', { modules_to_save: ['lm_head', 'mlp'] }, "'mlp' is not supported"],
    [
      'tiny-llama',
      { use_dora: true, lora_dropout: 0.1 },
      '[LoraConfig] use_dora needs lora_dropout 0, got 0.1',
    ],
    [
      'tiny-llama-bias',
      { use_dora: true, modules_to_save: ['lm_head'] },
      "q_proj' has a bias; it works on layers without one",
    ],
    ['tiny-llama', { target_modules: ['query'] }, 'matches no linear layer. This model has: q_proj, k_proj'],
  ] as const)('%s, %j', async (folder, lora, message) => {
    const base = await tinyModel(folder)
    const bare = await logitsOf(base)
    const before = await liveBytes()
    const config = new LoraConfig({ target_modules: 'all-linear', ...structuredClone(lora) } as LoraInit)
    expect(() => get_peft_model(base, config)).toThrow(message)
    expect(await logitsOf(base)).toEqual(bare)
    expect(base.parameters()).toEqual([])
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  })

  it('a second adapter', async () => {
    const model = await tinyPeft()
    const adapted = await logitsOf(model)
    expect(() => get_peft_model(model.base_model, new LoraConfig())).toThrow(
      'Take it off with model.unload()',
    )
    expect(await logitsOf(model)).toEqual(adapted)
  })

  it('unload() of the base model takes the adapter off, once', async () => {
    const base = await tinyModel()
    const bare = await logitsOf(base)
    const before = await liveBytes()
    const first = get_peft_model(base, new LoraConfig({ init_lora_weights: false }))
    expect(base.unload().parameters()).toEqual([])
    expect(await liveBytes()).toBeLessThanOrEqual(before)
    const second = get_peft_model(base, new LoraConfig({ init_lora_weights: false }), { seed: 5 })
    const adapted = await logitsOf(second)
    // It is off already: the second one stays.
    expect(first.unload()).toBe(base)
    expect(await logitsOf(base)).toEqual(adapted)
    expect(await logitsOf(second.unload().unload())).toEqual(bare)
    base.dispose()
  })

  it.each([
    [{ sed: 1 }, "[get_peft_model] unknown option 'sed'. Did you mean 'seed'?"],
    [{ dtype: 'int8' }, "[get_peft_model] dtype: got 'int8', needs one of 'float32', 'bfloat16', 'float16'"],
    [{ adapter_name: '' }, "adapter_name: got '', needs a text that is not empty"],
    [{ mixed: true }, 'mixed = true is not supported: there is one kind of adapter.'],
  ] as [object, string][])('%j', async (options, message) => {
    const model = await tinyModel()
    expect(() => get_peft_model(model, new LoraConfig(), options)).toThrow(message)
  })
})
