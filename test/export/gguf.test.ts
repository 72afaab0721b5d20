import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { ggufMethod, tensorType } from '../../src/export/gguf-methods'
import { sentencePieceScores, spaceIsPrefixed } from '../../src/export/sentencepiece'
import { openGguf } from '../../src/files/gguf'
import { writeGguf } from '../../src/files/gguf-write'
import { logger } from '../../src/logging'
import { interleavedRows, unpermuteRows } from '../../src/models/gguf-names'
import { scalingFor } from '../../src/peft/targets'
import type { LoraInit } from '../../src/peft/config'
import { smollm2 } from '../data/tiny'
import { limitDisk } from '../files/support/disk-full'
import { temporaryFolder } from '../files/support/temporary'
import { golden, titled } from '../support/shared'
import { adapted, families, farthest, load, logitsOf, tokenizerOf } from './support'

/** Models that are more than a GGUF file can say. */
const refused: Readonly<Record<string, string>> = {
  'tiny-smollm3': 'cannot say of layer',
  'tiny-gemma2': 'cannot say of layer 0 that its attentionScale is',
  'tiny-gemma3': 'cannot say of layer 0 that its attentionScale is',
}

describe('save_pretrained_gguf', () => {
  it.each(Object.entries(refused))('%s is refused: %s', async (name, reason) => {
    const model = await load(golden(name))
    const tokenizer = await tokenizerOf(model.config.vocab_size)
    await expect(model.save_pretrained_gguf('x', tokenizer)).rejects.toThrow(reason)
  })

  it.each(families.filter((name) => !(name in refused)))(
    '%s in F32: read again it has the same logits',
    async (name) => {
      const folder = await temporaryFolder()
      const model = await load(golden(name))
      const tokenizer = await tokenizerOf(Math.min(265, model.config.vocab_size))
      const warn = vi.spyOn(logger, 'warning').mockImplementation(() => undefined)
      const [path] = await model.save_pretrained_gguf(folder, tokenizer, { quantization_method: 'F32' })
      expect(path).toBe(join(folder, `${name}.F32.gguf`))
      const ignored = warn.mock.calls.filter(([text]) =>
        String(text).includes('llama.cpp has no sliding window'),
      )
      warn.mockRestore()
      expect(ignored.length).toBe(['tiny-mistral-swa', 'tiny-phi3'].includes(name) ? 1 : 0)
      const again = await load(folder, { gguf_file: basename(path!) })
      expect(again.config.architecture).toBe(
        name === 'tiny-llama-bias' ? 'LlamaForCausalLM' : model.config.architecture,
      )
      expect(await logitsOf(again)).toEqual(await logitsOf(model))
    },
  )

  it.each(['F16', 'BF16', 'Q8_0', 'Q4_0'])('%s: near enough, norms in full', async (quantization_method) => {
    const folder = await temporaryFolder()
    const model = await load(golden('tiny-llama'))
    const [path] = await model.save_pretrained_gguf(folder, await tokenizerOf(265), { quantization_method })
    const file = await openGguf(path!)
    expect(file.info('blk.0.attn_norm.weight').type).toBe('F32')
    expect(file.info('blk.0.attn_v.weight').type).toBe(quantization_method)
    const bound = { F16: 0.01, BF16: 0.1, Q8_0: 0.2, Q4_0: 4 }[quantization_method]!
    const stored = await file.read('blk.0.ffn_down.weight')
    expect(stored.length).toBe(64 * 176)
    const again = await load(folder, { gguf_file: basename(path!) })
    expect(farthest(await logitsOf(again), await logitsOf(model))).toBeLessThanOrEqual(bound)
  })

  it('an adapter is in the weights; llama3 frequencies have a tensor', async () => {
    const folder = await temporaryFolder()
    const peft = await adapted('tiny-qwen3', { use_dora: true })
    const [path] = await peft.save_pretrained_gguf(folder, await tokenizerOf(128), {
      quantization_method: 'F32',
    })
    const again = await load(folder, { gguf_file: basename(path!) })
    expect(farthest(await logitsOf(again), await logitsOf(peft))).toBeLessThanOrEqual(3e-4)
    const scaled = await load(golden('tiny-llama-rope3'))
    const [other] = await scaled.save_pretrained_gguf(folder, await tokenizerOf(256), {
      quantization_method: 'f32',
    })
    const factors = await (await openGguf(other!)).read('rope_freqs.weight')
    const rope = scaled.config.rope_parameters
    expect(factors.length).toBe(scaled.config.head_dim / 2)
    // The fastest turn as they are, the slowest by the factor.
    expect([factors[0], factors.at(-1)]).toEqual([1, Math.fround(rope.factor!)])
  })

  it('tokenizer, end tokens, template and a Modelfile', async () => {
    const folder = await temporaryFolder()
    const model = await load(golden('tiny-llama'))
    Object.assign(model.generation_config, {
      eos_token_id: [2, 3],
      do_sample: true,
      temperature: 0.7,
      top_k: 20,
    })
    const tokenizer = await tokenizerOf(265)
    const [path] = await model.save_pretrained_gguf(folder, tokenizer, {
      quantization_method: ['F16', 'Q8_0'],
    })
    expect((await readdir(folder)).sort()).toEqual([
      'Modelfile',
      'tiny-llama.F16.gguf',
      'tiny-llama.Q8_0.gguf',
    ])
    const { metadata } = await openGguf(path!)
    expect(metadata).toMatchObject({
      ...{ 'general.type': 'model', 'general.file_type': 1, 'llama.vocab_size': 512 },
      ...{
        'tokenizer.ggml.eos_token_id': 2,
        'tokenizer.ggml.eot_token_id': 3,
        'tokenizer.ggml.bos_token_id': 1,
      },
      ...{ 'tokenizer.ggml.pre': 'smollm', 'tokenizer.chat_template': tokenizer.chat_template },
    })
    const tokens = metadata['tokenizer.ggml.tokens'] as string[]
    expect(tokens.length).toBe(512)
    expect(tokens[511]).toBe('[PAD511]')
    const again = await AutoTokenizer.from_pretrained(folder, { gguf_file: basename(path!) })
    expect(await again.encode('hello world, 123')).toEqual(await tokenizer.encode('hello world, 123'))
    expect(await readFile(join(folder, 'Modelfile'), 'utf8')).toBe(
      `FROM ./tiny-llama.F16.gguf
TEMPLATE """{{ range .Messages }}{{ if eq .Role "system" }}<s>system:{{ .Content }}<|end|>
{{ else if eq .Role "user" }}<s>user:{{ .Content }}<|end|>
{{ else if eq .Role "assistant" }}<s>assistant:{{ .Content }}<|end|>
{{ end }}{{ end }}<s>assistant:"""
PARAMETER stop "</s>"
PARAMETER stop "<|end|>"
PARAMETER temperature 0.7
PARAMETER top_k 20
`,
    )
  })

  it('no template: a warning, and neither file has one', async () => {
    const folder = await temporaryFolder()
    const model = await load(golden('tiny-llama'))
    const warn = vi.spyOn(logger, 'warning').mockImplementation(() => undefined)
    const [path] = await model.save_pretrained_gguf(folder, await tokenizerOf(265, null))
    expect(warn.mock.calls.map(([text]) => text).join()).toContain('has no chat template: programs that read')
    warn.mockRestore()
    expect((await openGguf(path!)).metadata['tokenizer.chat_template']).toBeUndefined()
    expect(await readFile(join(folder, 'Modelfile'), 'utf8')).toContain('# No TEMPLATE')
  })

  it('bad input is named', async () => {
    const folder = await temporaryFolder()
    const model = await load(golden('tiny-llama'))
    const tokenizer = await tokenizerOf(265)
    const save = (options: object, given: unknown = tokenizer): Promise<unknown> =>
      model.save_pretrained_gguf(folder, given as never, options)
    await expect(save({ quantization_method: 'Q4_K_L' })).rejects.toThrow(
      "unknown quantization_method 'Q4_K_L'. Did you mean 'Q4_K_M'?",
    )
    await expect(save({}, null)).rejects.toThrow("tokenizer: got null, needs the model's tokenizer")
    await expect(save({ save_method: 'lora' })).rejects.toThrow('the model has no adapter')
    const small = await load(golden('tiny-qwen3'))
    await expect(small.save_pretrained_gguf(folder, tokenizer)).rejects.toThrow(
      "has id 128; the model's vocabulary has 128",
    )
    await limitDisk(20_000)
    await expect(save({})).rejects.toThrow('no space left on the disk')
    expect(await readdir(folder)).toEqual([])
  })
})

describe('the adapter alone', () => {
  it.each([
    ['tiny-llama', {}],
    ['tiny-llama', { use_rslora: true, lora_alpha: 3 }],
    ['tiny-qwen2', { alpha_pattern: { v_proj: 9 }, rank_pattern: { q_proj: 2 } }],
  ] as const)('%s %j: alpha / rank times B A is the update', async (name, lora) => {
    const folder = await temporaryFolder()
    const peft = await adapted(name, structuredClone(lora) as LoraInit)
    const tokenizer = await tokenizerOf(Math.min(265, peft.config.vocab_size))
    const [path] = await peft.save_pretrained_gguf(folder, tokenizer, {
      ...{ save_method: 'lora', quantization_method: 'F32' },
    })
    const file = await openGguf(path!)
    expect(file.metadata).toMatchObject({
      ...{ 'general.type': 'adapter', 'adapter.type': 'lora' },
      'general.architecture': name === 'tiny-llama' ? 'llama' : 'qwen2',
    })
    const alpha = file.metadata['adapter.lora.alpha'] as number
    for (const [key, module] of [
      ['blk.0.attn_q', 'self_attn.q_proj'],
      ['blk.1.attn_v', 'self_attn.v_proj'],
      ['blk.1.ffn_down', 'mlp.down_proj'],
    ] as const) {
      const [a, b] = await Promise.all(['a', 'b'].map((f) => file.read(`${key}.weight.lora_${f}`)))
      const [rank, inner] = file.info(`${key}.weight.lora_a`).shape as [number, number]
      const layer = `model.layers.${key[4]}.${module}`
      const own = ['A', 'B'].map(
        (f) => peft.named_parameters().find(([n]) => n.endsWith(`${layer}.lora_${f}.weight`))![1].data,
      )
      const [A, B] = await Promise.all(own.map((t) => t.data()))
      const rows = file.info(`${key}.weight.lora_b`).shape[0]!
      const ordered =
        name === 'tiny-llama' && key.endsWith('attn_q')
          ? unpermuteRows(b!, rows, rank, peft.config.num_attention_heads)
          : b!
      const product = (x: Float32Array, y: Float32Array, scale: number, i: number, j: number): number =>
        scale *
        Array.from({ length: rank }, (_, k) => x[i * rank + k]! * y[k * inner + j]!).reduce((s, v) => s + v)
      const scale = scalingFor(layer, peft.peft_config)
      for (let i = 0; i < rows; i += 5)
        expect(product(ordered, a!, alpha / rank, i, i % inner)).toBeCloseTo(
          product(B!, A!, scale, i, i % inner),
          5,
        )
    }
    expect(await readFile(join(folder, 'Modelfile'), 'utf8')).toContain(`ADAPTER ./${basename(path!)}`)
  })

  it.each([
    [{ use_dora: true }, 'use_dora scales the rows'],
    [{ modules_to_save: ['lm_head'] }, "it trained 'lm_head.weight' in full"],
  ] as const)('%j is refused with the reason', async (lora, reason) => {
    const peft = await adapted('tiny-llama', structuredClone(lora) as unknown as LoraInit)
    const saved = peft.save_pretrained_gguf('x', await tokenizerOf(265), {
      ...{ save_method: 'lora', quantization_method: 'F32' },
    })
    await expect(saved).rejects.toThrow(reason)
  })

  it('a quantized type is refused', async () => {
    const peft = await adapted('tiny-llama')
    const saved = peft.save_pretrained_gguf('x', await tokenizerOf(265), { save_method: 'lora' })
    await expect(saved).rejects.toThrow("unknown quantization_method of an adapter 'Q8_0'")
  })
})

describe('parts of a GGUF file', () => {
  it('a vocabulary of 200,000 tokens is written and read', async () => {
    const path = join(await temporaryFolder(), 'large.gguf')
    const tokens = Array.from({ length: 200_000 }, (_, id) => `token ${id}`)
    await writeGguf(path, { 'tokenizer.ggml.tokens': ['string[]', tokens], after: ['uint32', 7] }, [])
    const { metadata } = await openGguf(path)
    expect(metadata['tokenizer.ggml.tokens']).toEqual(tokens)
    expect(metadata['after']).toBe(7)
  })

  it('the rules of the mixtures', () => {
    const of = (method: string, name: string, columns = 512): string =>
      tensorType(method, { name, shape: [64, columns], layers: 16, tied: false })
    expect(['Q4_K_M', 'Q5_K_M', 'Q6_K', 'Q8_0', 'Q4_0', 'F16'].map((m) => of(m, 'output.weight'))).toEqual([
      'Q6_K',
      'Q6_K',
      'Q6_K',
      'Q8_0',
      'Q6_K',
      'F16',
    ])
    const layers = Array.from({ length: 16 }, (_, i) => of('Q4_K_M', `blk.${i}.ffn_down.weight`))
    expect(layers.flatMap((type, i) => (type === 'Q6_K' ? [i] : []))).toEqual([0, 1, 4, 7, 10, 13, 14, 15])
    expect(of('Q5_K_M', 'blk.3.attn_qkv.weight')).toBe('Q6_K')
    expect(['Q4_K_M', 'Q5_K_M', 'Q6_K'].map((m) => of(m, 'blk.3.ffn_up.weight', 96))).toEqual([
      'Q5_0',
      'Q5_1',
      'Q8_0',
    ])
    expect(of('Q4_K_M', 'blk.3.ffn_up.weight', 80)).toBe('F16')
    expect(tensorType('Q4_K_M', { name: 'token_embd.weight', shape: [9, 256], layers: 2, tied: true })).toBe(
      'Q6_K',
    )
    expect(ggufMethod('quantized')).toBe('Q4_K_M')
    expect(ggufMethod('q4_k_m')).toBe('Q4_K_M')
  })

  it('interleavedRows is what unpermuteRows takes back', () => {
    const rows = Float32Array.from(interleavedRows(24, 3))
    expect(unpermuteRows(rows, 24, 1, 3)).toEqual(Float32Array.from(rows.keys()))
  })

  it("SentencePiece's scores and its space", () => {
    expect(sentencePieceScores(['▁', 'a', '▁a', 'x'], [['▁', 'a'], 'a b'])).toEqual([-2, -2, -0, -2])
    const normalizer = { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }] }
    expect(spaceIsPrefixed({ normalizer })).toBe(true)
    expect(spaceIsPrefixed({ pre_tokenizer: { type: 'Metaspace', prepend_scheme: 'never' } })).toBe(false)
  })

  const model = smollm2()
  it.skipIf(!model)(
    titled("SmolLM2's vocabulary as llama.cpp's converter wrote it", model, '.cache/models'),
    async () => {
      const { dir, gguf_file } = model!
      const { metadata } = await openGguf(join(dir, gguf_file))
      const { ggufVocabulary } = await import('../../src/export/gguf-vocabulary')
      const tokenizer = await AutoTokenizer.from_pretrained(dir, { gguf_file })
      const ours = await ggufVocabulary(tokenizer, 49152, [2])
      for (const [key, [, value]] of Object.entries(ours))
        if (key !== 'tokenizer.ggml.add_eos_token') expect([key, metadata[key]]).toEqual([key, value])
    },
  )
})
