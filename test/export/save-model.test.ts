import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { disk } from '../../src/files/disk'
import { SafetensorsFile } from '../../src/files/safetensors'
import { Linear4bit } from '../../src/nn/linear4bit'
import { LoraConfig, type LoraInit } from '../../src/peft/config'
import { get_peft_model } from '../../src/peft/model'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { parseSize } from '../../src/export/save-model'
import { limitDisk } from '../files/support/disk-full'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'
import { adapted, families, farthest, load, logitsOf, tokenizerOf } from './support'

const json = async (...path: string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(...path), 'utf8')) as Record<string, unknown>

const nf4 = (more: object = {}): BitsAndBytesConfig =>
  new BitsAndBytesConfig({
    ...{ load_in_4bit: true, bnb_4bit_quant_type: 'nf4', bnb_4bit_use_double_quant: true },
    ...{ bnb_4bit_compute_dtype: 'float32', ...more },
  })

describe('save_pretrained of a model', () => {
  it.each(families)('%s: read again it has the same logits, and its config', async (name) => {
    const folder = await temporaryFolder()
    const model = await load(golden(name))
    await model.save_pretrained(folder)
    const again = await load(folder)
    expect(await logitsOf(again)).toEqual(await logitsOf(model))
    const before = await json(golden(name), 'config.json')
    expect(await json(folder, 'config.json')).toEqual({ ...before, dtype: 'float32' })
  })

  it('shards, with an index; generation config, tokenizer and chat template beside them', async () => {
    const folder = join(await temporaryFolder(), 'new', 'model')
    const model = await load(golden('tiny-llama'))
    const done: [number, number][] = []
    await model.save_pretrained(folder, {
      max_shard_size: '100KB',
      tokenizer: await tokenizerOf(265),
      progress: (...state) => done.push(state),
    })
    const files = (await readdir(folder)).sort()
    const shards = files.filter((file) => file.startsWith('model-'))
    expect(shards.length).toBeGreaterThan(5)
    expect(shards[0]).toBe(`model-00001-of-${String(shards.length).padStart(5, '0')}.safetensors`)
    expect(files.filter((file) => !file.startsWith('model-'))).toEqual(
      [
        ...['README.md', 'chat_template.jinja', 'config.json', 'generation_config.json'],
        ...['model.safetensors.index.json', 'tokenizer.json', 'tokenizer_config.json'],
      ].sort(),
    )
    const index = (await json(folder, 'model.safetensors.index.json')) as {
      metadata: { total_size: number }
      weight_map: Record<string, string>
    }
    const sizes: number[] = []
    for (const shard of shards) {
      const file = await SafetensorsFile.open(join(folder, shard))
      for (const { name, nbytes } of file.tensors.values()) {
        expect(index.weight_map[name]).toBe(shard)
        sizes.push(nbytes)
      }
      const inShard = [...file.tensors.values()].reduce((n, t) => n + t.nbytes, 0)
      expect(inShard <= 100_000 || file.tensors.size === 1).toBe(true)
      await file.close()
    }
    expect(Object.keys(index.weight_map).length).toBe(sizes.length)
    expect(index.metadata.total_size).toBe(sizes.reduce((a, b) => a + b, 0))
    expect(done.at(-1)).toEqual([index.metadata.total_size, index.metadata.total_size])
    expect(await json(folder, 'generation_config.json')).toEqual(
      await json(golden('tiny-llama'), 'generation_config.json'),
    )
    const again = await load(folder)
    expect(await logitsOf(again)).toEqual(await logitsOf(model))
    const chat = await (
      await AutoTokenizer.from_pretrained(folder)
    ).apply_chat_template([{ role: 'user', content: 'hi' }], { tokenize: false })
    expect(chat).toBe('<s>user:hi<|end|>\n')
  })

  it('into a folder that holds other files: they stay, an older model goes', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'notes.txt'), 'mine')
    const model = await load(golden('tiny-qwen2'))
    await model.save_pretrained(folder, { max_shard_size: '10KB' })
    expect((await readdir(folder)).filter((file) => file.startsWith('model-')).length).toBeGreaterThan(1)
    await model.save_pretrained(folder)
    expect((await readdir(folder)).filter((file) => file.startsWith('model'))).toEqual(['model.safetensors'])
    expect(await readFile(join(folder, 'notes.txt'), 'utf8')).toBe('mine')
    expect(await logitsOf(await load(folder))).toEqual(await logitsOf(model))
  })

  it('a disk without room is seen before anything is written', async () => {
    const folder = join(await temporaryFolder(), 'model')
    const model = await load(golden('tiny-llama'))
    const { statfs } = disk
    disk.statfs = (() => Promise.resolve({ bavail: 10, bsize: 1000, blocks: 100 })) as never
    try {
      await expect(model.save_pretrained(folder)).rejects.toThrow(
        /not enough disk space: \d+ bytes needed, 10000 bytes available/,
      )
    } finally {
      disk.statfs = statfs
    }
    await expect(readdir(folder)).rejects.toThrow('ENOENT')
  })

  it('a disk that fills in the middle leaves what was there', async () => {
    const parent = await temporaryFolder()
    const folder = join(parent, 'model')
    const model = await load(golden('tiny-qwen2'))
    await model.save_pretrained(folder)
    const before = await readFile(join(folder, 'model.safetensors'))
    const peft = await adapted('tiny-qwen2')
    await limitDisk(before.length / 2)
    await expect(peft.save_pretrained_merged(folder)).rejects.toThrow('no space left on the disk')
    expect((await readFile(join(folder, 'model.safetensors'))).equals(before)).toBe(true)
    expect(await readdir(parent)).toEqual(['model'])
    expect((await readdir(folder)).filter((file) => file.startsWith('.'))).toEqual([])
  })

  it('sizes and options that are none are named', async () => {
    expect([parseSize(7), parseSize('5GB'), parseSize('1.5 MiB')]).toEqual([7, 5e9, 1.5 * 2 ** 20])
    const model = await load(golden('tiny-qwen2'))
    await expect(model.save_pretrained('x', { max_shard_size: 'big' })).rejects.toThrow(
      "max_shard_size: got 'big', needs bytes or a size such as '5GB'",
    )
    await expect(model.save_pretrained('x', { max_shard: 1 } as never)).rejects.toThrow(
      "Did you mean 'max_shard_size'?",
    )
  })
})

describe('4 bits', () => {
  it.each(['uint8', 'bfloat16', 'float16', 'float32'] as const)(
    'a model in NF4 keeps its bits, its codes stored as %s',
    async (bnb_4bit_quant_storage) => {
      const folder = await temporaryFolder()
      const quantization_config = nf4({ bnb_4bit_quant_storage })
      const model = await load(golden('tiny-llama'), { quantization_config })
      await model.save_pretrained(folder)
      const file = await SafetensorsFile.open(join(folder, 'model.safetensors'))
      const names = { uint8: 'U8', bfloat16: 'BF16', float16: 'F16', float32: 'F32' }
      expect(file.tensors.get('model.layers.0.mlp.up_proj.weight')!.dtype).toBe(names[bnb_4bit_quant_storage])
      await file.close()
      const again = await load(folder)
      expect(again.quantization_config).toEqual(quantization_config)
      const layer = again.parts.layers[1]!.mlp.down_proj as Linear4bit
      const own = model.parts.layers[1]!.mlp.down_proj as Linear4bit
      expect(await layer.weight.codes.bytes()).toEqual(await own.weight.codes.bytes())
      expect(await logitsOf(again)).toEqual(await logitsOf(model))
    },
  )

  it.each(['tiny-llama-nf4', 'tiny-llama-nf4-nodq', 'tiny-llama-bias-nf4'])(
    '%s of bitsandbytes: each tensor is written as bitsandbytes wrote it',
    async (name) => {
      const folder = await temporaryFolder()
      const model = await load(golden(name), { dtype: 'auto' })
      await model.save_pretrained(folder)
      const [theirs, ours] = await Promise.all(
        [golden(name), folder].map((at) => SafetensorsFile.open(join(at, 'model.safetensors'))),
      )
      expect([...ours!.tensors.keys()].sort()).toEqual([...theirs!.tensors.keys()].sort())
      for (const [key, { dtype, shape }] of theirs!.tensors) {
        const [a, b] = [await theirs!.read(key), await ours!.read(key)]
        if (key.includes('quant_state')) {
          const [text, padded] = [a, b].map((bytes) => new TextDecoder().decode(bytes))
          // The length is fixed before the numbers are known.
          expect(padded!.trimEnd()).toBe(text)
        } else {
          expect([ours!.tensors.get(key)!.dtype, ours!.tensors.get(key)!.shape]).toEqual([dtype, shape])
          expect(Buffer.from(b).equals(Buffer.from(a))).toBe(true)
        }
        // Readers take views of the file, which must lie at a multiple of the dtype's size.
        expect(ours!.tensors.get(key)!.offset % (dtype === 'F32' ? 4 : 1)).toBe(0)
      }
      await Promise.all([theirs!.close(), ours!.close()])
      expect(await logitsOf(await load(folder))).toEqual(await logitsOf(await load(golden(name))))
    },
  )
})

describe('save_pretrained_merged', () => {
  it.each(families)('%s: the folder answers as the adapter did', async (name) => {
    const folder = await temporaryFolder()
    const peft = await adapted(name)
    const expected = await logitsOf(peft)
    await peft.save_pretrained_merged(folder)
    const merged = await load(folder)
    expect(farthest(await logitsOf(merged), expected)).toBeLessThanOrEqual(3e-4)
    expect(await logitsOf(peft)).toEqual(expected)
  })

  it.each([
    ['DoRA', { use_dora: true }],
    ['rsLoRA and patterns', { use_rslora: true, alpha_pattern: { v_proj: 9 }, rank_pattern: { q_proj: 2 } }],
    ['a trained head', { modules_to_save: ['lm_head'] }],
  ] as const)('%s', async (_name, lora) => {
    const folder = await temporaryFolder()
    const peft = await adapted('tiny-llama', structuredClone(lora) as LoraInit)
    await peft.save_pretrained_merged(folder)
    expect(farthest(await logitsOf(await load(folder)), await logitsOf(peft))).toBeLessThanOrEqual(3e-4)
  })

  it.each([{ modules_to_save: ['lm_head'] }, { target_modules: ['lm_head', 'q_proj'] }])(
    'a tied head that got values of its own is written beside the embedding: %j',
    async (lora) => {
      const folder = await temporaryFolder()
      const peft = await adapted('tiny-llama-tied', structuredClone(lora))
      const head = peft.named_parameters().find(([name]) => name.endsWith('lm_head.weight'))?.[1].data
      if (head) head.write(new Uint8Array((await head.data()).map((v) => v * 2).buffer))
      const expected = await logitsOf(peft)
      for (const base_weights of ['dequantized', 'original'] as const) {
        await peft.save_pretrained_merged(folder, null, { base_weights })
        expect((await json(folder, 'config.json'))['tie_word_embeddings']).toBe(false)
        expect(farthest(await logitsOf(await load(folder)), expected)).toBeLessThanOrEqual(5e-4)
      }
      const base = await peft.merge_and_unload()
      await base.save_pretrained(folder)
      expect(farthest(await logitsOf(await load(folder)), expected)).toBeLessThanOrEqual(5e-4)
    },
  )

  it('from the weights in 4 bits, or from the original ones', async () => {
    const folder = await temporaryFolder()
    const peft = await adapted('tiny-llama', {}, { quantization_config: nf4() })
    const full = await load(golden('tiny-llama'))
    const onFull = get_peft_model(full, new LoraConfig(peft.peft_config), { seed: 7 })
    await peft.save_pretrained_merged(folder)
    const dequantized = await logitsOf(await load(folder))
    expect(farthest(dequantized, await logitsOf(peft))).toBeLessThanOrEqual(3e-4)
    await peft.save_pretrained_merged(folder, null, { base_weights: 'original' })
    const original = await logitsOf(await load(folder))
    expect(farthest(original, await logitsOf(onFull))).toBeLessThanOrEqual(3e-4)
    expect(farthest(original, dequantized)).toBeGreaterThan(1e-2)
    expect((await json(folder, 'config.json'))['quantization_config']).toBeUndefined()
  })

  it('into 4 bits: what merge_and_unload gives', async () => {
    const folder = await temporaryFolder()
    const peft = await adapted('tiny-llama', {}, { quantization_config: nf4() })
    await peft.save_pretrained_merged(folder, null, { save_method: 'merged_4bit' })
    const written = await load(folder)
    expect(written.parts.layers[0]!.mlp.up_proj).toBeInstanceOf(Linear4bit)
    const merged = await peft.merge_and_unload()
    expect(await logitsOf(written)).toEqual(await logitsOf(merged))
  })

  it('other dtypes, the adapter alone, a model without one', async () => {
    const folder = await temporaryFolder()
    const peft = await adapted('tiny-llama')
    await peft.save_pretrained_merged(folder, null, { dtype: 'bfloat16' })
    expect((await load(folder, { dtype: 'auto' })).dtype).toBe('bfloat16')
    const alone = await temporaryFolder()
    await peft.save_pretrained_merged(alone, await tokenizerOf(265), { save_method: 'lora' })
    expect(await readdir(alone)).toContain('adapter_model.safetensors')
    expect(await readdir(alone)).toContain('tokenizer.json')
    await expect(
      peft.base_model.save_pretrained_merged(alone, null, { save_method: 'lora' }),
    ).rejects.toThrow('the model has no adapter')
  })
})
