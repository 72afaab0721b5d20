import { truncateSync } from 'node:fs'
import { mkdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { load_dataset } from '../../src/data/load-dataset'
import { AutoConfig, AutoModelForCausalLM } from '../../src/models/auto'
import { PeftModel } from '../../src/peft/model'
import type { PretrainedOptions } from '../../src/models/pretrained-options'
import { Linear4bit } from '../../src/nn/linear4bit'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import type { FloatDType } from '../../src/tensor/dtype'
import { copy } from '../../src/tensor/ops'
import { load_safetensors, save_safetensors } from '../../src/tensor/safetensors'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'
import { liveBytes, randomInputs, tinyModel } from './tiny'
import { writeModel } from './write-model'

const load = AutoModelForCausalLM.from_pretrained.bind(AutoModelForCausalLM)
const nf4 = new BitsAndBytesConfig({
  load_in_4bit: true,
  bnb_4bit_quant_type: 'nf4',
  bnb_4bit_use_double_quant: true,
})
const weights = 'model.safetensors'

/** Loading must fail with this text and leave no memory behind. */
async function fails(
  folder: string,
  message: string | RegExp,
  options: PretrainedOptions = {},
): Promise<void> {
  const before = await liveBytes()
  await expect(load(folder, options)).rejects.toThrow(message)
  expect(await liveBytes()).toBeLessThanOrEqual(before)
}

function warnings(): string[] {
  const shown: string[] = []
  const spy = vi.spyOn(console, 'warn').mockImplementation((text) => void shown.push(String(text)))
  onTestFinished(() => spy.mockRestore())
  return shown
}

describe('files that are missing or broken', () => {
  it('no such folder', async () => {
    await fails('./nowhere', "'./nowhere' is neither a folder nor a repository id ('owner/name')")
    await expect(AutoConfig.from_pretrained('/nowhere/at/all')).rejects.toThrow(
      'is neither a folder nor a repository id',
    )
  })

  it.each([undefined, null, 5])('no name: %s', async (name) => {
    const message = `the name of a model or data set: got ${name}, needs a folder or a repository id`
    const model = await tinyModel()
    for (const loading of [
      () => load(name as never),
      () => AutoConfig.from_pretrained(name as never),
      () => AutoTokenizer.from_pretrained(name as never),
      () => PeftModel.from_pretrained(model, name as never),
      () => load_dataset(name as never),
    ])
      await expect(loading()).rejects.toThrow(message)
  })

  it('a folder without its files', async () => {
    const empty = await temporaryFolder()
    await fails(empty, `${empty}: has no config.json`)
    const folder = await writeModel()
    await fails(folder, `${folder}: has no file 'model.gguf'`, { gguf_file: 'model.gguf' })
    await rm(join(folder, weights))
    await fails(folder, `${folder}: has neither model.safetensors nor model.safetensors.index.json`)
  })

  it('a config.json that is no JSON', async () => {
    const folder = await writeModel()
    await writeFile(join(folder, 'config.json'), '{ "model_type": ')
    await fails(folder, `${join(folder, 'config.json')}: not valid JSON`)
  })

  it('a config.json of a model that is not supported', async () => {
    const folder = await writeModel({ model_type: 'gpt2' })
    await fails(folder, "model type 'gpt2' is not supported; supported: llama, mistral, qwen2")
  })

  it('truncated weights', async () => {
    const folder = await writeModel()
    const file = join(folder, weights)
    const { size } = await stat(file)
    await truncate(file, size - 100)
    await fails(folder, file)
    await truncate(file, 500)
    await fails(folder, 'the file is truncated or no safetensors file')
    await truncate(file, 3)
    await fails(folder, `${file}: truncated: 3 bytes; expected 8 bytes of header length at offset 0`)
  })

  it('weights that shrink while they are read', async () => {
    const folder = await writeModel()
    await fails(folder, join(folder, weights), { progress: () => truncateSync(join(folder, weights), 5000) })
  })

  it.each([
    [
      'model.layers.1.mlp.up_proj.weight',
      [48, 31],
      "'model.layers.1.mlp.up_proj.weight' has shape (48, 31); the config asks for (48, 32)",
    ],
    [
      'model.embed_tokens.weight',
      [299, 32],
      "'model.embed_tokens.weight' has shape (299, 32); the config asks for (300, 32)",
    ],
    ['model.norm.weight', [32, 1], "'model.norm.weight' has shape (32, 1); the config asks for (32)"],
    [
      'model.layers.0.self_attn.k_proj.weight',
      null,
      "the checkpoint has no tensor 'model.layers.0.self_attn.k_proj.weight'",
    ],
    ['lm_head.weight', null, "the checkpoint has no tensor 'lm_head.weight'"],
  ])('%s of shape %j', async (name, shape, message) => {
    const folder = await writeModel({}, { [name]: shape })
    await fails(folder, message)
    await fails(folder, message, { quantization_config: nf4 })
  })

  it('a shard that is not there', async () => {
    const folder = await writeModel()
    await rename(join(folder, weights), join(folder, 'model-00001-of-00002.safetensors'))
    const weight_map = {
      'model.embed_tokens.weight': 'model-00001-of-00002.safetensors',
      'lm_head.weight': 'model-00002-of-00002.safetensors',
    }
    await writeFile(join(folder, `${weights}.index.json`), JSON.stringify({ weight_map }))
    await fails(folder, "names shard 'model-00002-of-00002.safetensors', which the folder lacks")
  })

  it('weights that another method quantized', async () => {
    await fails(await writeModel({ quantization_config: { quant_method: 'gptq' } }), "quant_method is 'gptq'")
  })

  it('a padding token beyond the embedding, which PyTorch refuses too', async () => {
    const folder = await writeModel({ pad_token_id: 300 })
    await fails(
      folder,
      `${join(folder, 'config.json')}: config: 'pad_token_id' is 300; the embedding ends at 299`,
    )
  })

  it('a rope_type that is not known', async () => {
    const folder = await writeModel({ rope_scaling: { rope_type: 'su', factor: 4 } })
    await fails(
      folder,
      "rope_type 'su' is not supported; supported: default, linear, llama3, yarn, dynamic, longrope",
    )
  })
})

describe('options', () => {
  it.each([
    [
      { quantisation_config: null },
      "[AutoModelForCausalLM.from_pretrained] unknown option 'quantisation_config'. Did you mean 'quantization_config'?",
    ],
    [
      { quantization_config: { load_in_4bit: true } },
      'quantization_config: got {"load_in_4bit":true}, needs a BitsAndBytesConfig or null',
    ],
    [
      { load_in_4bit: true, quantization_config: new BitsAndBytesConfig() },
      'load_in_4bit = true, and quantization_config has load_in_4bit = false; give one',
    ],
    [
      { load_in_8bit: true, quantization_config: new BitsAndBytesConfig({ load_in_4bit: true }) },
      'load_in_8bit = true, and quantization_config has load_in_8bit = false; give one',
    ],
    [{ load_in_4bit: true, load_in_8bit: true }, 'load_in_4bit = true and load_in_8bit = true; give one'],
    [
      { device_map: { 'model.embed_tokens': 0, lm_head: 'cpu' } },
      'device_map: a model is on one device; give { "": device }',
    ],
    [{ device_map: 'tpu' }, "device_map: unknown device 'tpu'; known: auto, cpu, cuda:0, 0"],
    [{ dtype: 'int32' }, 'dtype: expected float32, bfloat16 or float16, got int32'],
    [{ torch_dtype: 'double' }, "unknown dtype 'double'; known: float32, bfloat16, float16"],
    [{ dtype: 'float32', torch_dtype: 'float16' }, 'dtype and torch_dtype are one option, given twice'],
  ] as [object, string][])('%j is refused', async (options, message) => {
    await fails(golden('tiny-llama'), message, options)
  })

  it('what changes nothing is accepted, and named in one line said once', async () => {
    const shown = warnings()
    const options = {
      trust_remote_code: true,
      attn_implementation: 'flash_attention_2',
      use_cache: false,
      return_dict: false,
      low_cpu_mem_usage: true,
      max_memory: { 0: '80000MB', cpu: '30GB' },
      offload_folder: 'away',
      use_safetensors: true,
    }
    await tinyModel('tiny-llama', options)
    await tinyModel('tiny-llama', options)
    expect(shown).toEqual([
      "qlora: WARNING: [AutoModelForCausalLM.from_pretrained] accepted, changes nothing here: attn_implementation = 'flash_attention_2', " +
        'low_cpu_mem_usage = true, max_memory = {"0":"80000MB","cpu":"30GB"}, offload_folder = \'away\', return_dict = false, ' +
        'trust_remote_code = true, use_cache = false, use_safetensors = true (why: docs/options.md)',
    ])
  })

  it('load_in_4bit alone quantizes as its configuration does; beside one it only repeats it', async () => {
    const both = { load_in_4bit: true, quantization_config: new BitsAndBytesConfig({ load_in_4bit: true }) }
    for (const options of [{ load_in_4bit: true }, both]) {
      const model = await tinyModel('tiny-llama', options)
      expect(model.quantization_config?.to_dict()).toEqual(both.quantization_config.to_dict())
      expect(model.parts.layers[0]!.self_attn.q_proj).toBeInstanceOf(Linear4bit)
    }
  })

  it.each([
    [{ device_map: 'auto' }, false],
    [{ device_map: 'cpu' }, false],
    [{ device_map: { '': 'cpu' } }, false],
    [{ device_map: { '': 0 } }, true],
    [{ device_map: 'cuda:0' }, true],
    [{ attn_implementation: 'sdpa', low_cpu_mem_usage: true }, false],
  ])('%j loads to the CPU; it says so where a GPU was asked for: %s', async (options, warns) => {
    const shown = warnings()
    const model = await tinyModel('tiny-llama', options as PretrainedOptions)
    expect(model.device.name).toBe('cpu')
    expect(shown.join('\n').includes('the model is on the CPU: [device]')).toBe(warns)
  })

  it('dtype: the checkpoint own, or any float type by its several names', async () => {
    expect((await tinyModel('tiny-llama')).dtype).toBe('float32')
    expect((await tinyModel('tiny-llama-tied')).dtype).toBe('bfloat16')
    for (const [name, dtype] of [
      ['auto', 'bfloat16'],
      ['torch.float16', 'float16'],
      ['fp32', 'float32'],
    ]) {
      const model = await tinyModel('tiny-llama-tied', { torch_dtype: name! })
      expect(model.dtype).toBe(dtype)
      expect(model.parts.norm.weight.dtype).toBe(dtype)
    }
  })

  it.each([
    [{}, 'float32'],
    [{ all: 'float16' }, 'float16'],
    // transformers looks at the first tensor by name, wherever it lies in the file.
    [{ all: 'float32', 'lm_head.weight': 'float16' }, 'float16'],
    [{ all: 'float32', 'model.embed_tokens.weight': 'bfloat16' }, 'float32'],
    [{ all: 'float16', 'model.norm.weight': 'float32' }, 'float16'],
  ] as [Record<string, FloatDType>, string][])(
    'dtype of a checkpoint of %j whose config names none: %s',
    async ({ all, ...others }, dtype) => {
      const folder = await writeModel({ dtype: undefined })
      const stored = await load_safetensors(join(folder, weights))
      const converted = Object.fromEntries(
        Object.entries(stored).map(([name, tensor]) => {
          const out = tensor.device.empty(tensor.shape, others[name] ?? all ?? 'float32')
          copy(tensor, out)
          return [name, out]
        }),
      )
      await save_safetensors(join(folder, weights), converted)
      for (const tensor of [...Object.values(stored), ...Object.values(converted)]) tensor.dispose()
      const model = await load(folder)
      expect([model.dtype, model.parts.norm.weight.dtype]).toEqual([dtype, dtype])
      model.dispose()
    },
  )

  it('progress counts every tensor of the checkpoint', async () => {
    const seen: [number, number][] = []
    await tinyModel('tiny-llama', {
      progress: (done, total) => seen.push([done, total]),
      quantization_config: nf4,
    })
    expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => [i + 1, 30]))
  })

  it('a quantized checkpoint keeps its own way of quantizing, and says so', async () => {
    const shown = warnings()
    const model = await tinyModel('tiny-llama-nf4', {
      quantization_config: new BitsAndBytesConfig({ load_in_4bit: true }),
    })
    expect(shown.join('\n')).toContain(
      'is already quantized: its own quantization_config is used, not the one given',
    )
    expect(model.quantization_config).toMatchObject({ bnb_4bit_quant_type: 'nf4' })
  })

  it('llm_int8_skip_modules names layers that stay as they are', async () => {
    const kinds = async (llm_int8_skip_modules: string[] | null): Promise<Record<string, string>> => {
      const quantization_config = new BitsAndBytesConfig({ load_in_4bit: true, llm_int8_skip_modules })
      const model = await tinyModel('tiny-llama', { quantization_config })
      return Object.fromEntries([...model.linearSlots()].map((s) => [s.name, s.get().constructor.name]))
    }
    const all = await kinds(null)
    expect(Object.entries(all).filter(([, kind]) => kind === 'Linear')).toEqual([['lm_head', 'Linear']])
    const some = await kinds(['down_proj', 'model.layers.0'])
    const plain = Object.keys(some).filter((name) => some[name] === 'Linear')
    expect(plain.length).toBe(7 + 2 + 1)
    expect(plain.every((name) => /layers\.0\.|down_proj$|lm_head$/.test(name))).toBe(true)
  })
})

describe('an abort signal', () => {
  it.each([
    ['float32', {}],
    ['4 bits', { quantization_config: nf4 }],
  ])('ends the loading and frees what was loaded: %s', async (_, options) => {
    const controller = new AbortController()
    const progress = vi.fn((done: number) => done === 12 && controller.abort())
    await fails(golden('tiny-llama'), 'aborted', { ...options, signal: controller.signal, progress })
    expect(progress).toHaveBeenCalledTimes(12)
  })

  it('an error of the progress callback too', async () => {
    const progress = (done: number): void => {
      if (done === 5) throw new Error('no more')
    }
    await fails(golden('tiny-llama'), 'no more', { progress })
  })
})

it('sharded weights are the same model', async () => {
  const folder = await writeModel()
  const single = await load(folder)
  const sharded = await temporaryFolder()
  await mkdir(sharded, { recursive: true })
  const index: Record<string, string> = {}
  const tensors = await load_safetensors(join(folder, weights))
  for (const [i, part] of [Object.entries(tensors).slice(0, 9), Object.entries(tensors).slice(9)].entries()) {
    const file = `model-0000${i + 1}-of-00002.safetensors`
    await save_safetensors(join(sharded, file), Object.fromEntries(part))
    for (const [name, tensor] of part) {
      index[name] = file
      tensor.dispose()
    }
  }
  await writeFile(join(sharded, `${weights}.index.json`), JSON.stringify({ weight_map: index }))
  await writeFile(join(sharded, 'config.json'), await readFile(join(folder, 'config.json')))
  const other = await load(sharded)
  const results = []
  for (const model of [single, other]) {
    const { loss, logits } = await model.forward(randomInputs([5, 9]))
    results.push([loss, await logits.data()])
    logits.dispose()
    model.dispose()
  }
  expect(results[1]).toEqual(results[0])
})
