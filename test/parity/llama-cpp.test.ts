import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hasLlamaCpp, llamaCppAnswers, llamaCppNeeds } from '../../scripts/parity/llama-cpp-answers.mjs'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { load_safetensors, save_safetensors } from '../../src/tensor/safetensors'
import { adapted, families, load, tokenizerOf } from '../export/support'
import { temporaryFolder } from '../files/support/temporary'
import { golden, sharedPath, titled } from '../support/shared'

// llama.cpp reads our GGUF files and answers greedily what we answer, token by token.

const long = Array.from({ length: 30 }, (_, i) => (i * 37 + 11) % 120)
const prompts = [[1, 17, 40, 33, 9, 78, 111, 45], [5, 90, 12], long]
const max_new_tokens = 24

/** `</s>` and `<|end|>`, which is an end to llama.cpp by its name. */
const ends = [2, 3]

function cut(answer: readonly number[]): readonly number[] {
  const end = answer.findIndex((id) => ends.includes(id))
  return end === -1 ? answer : answer.slice(0, end + 1)
}

interface Variant {
  config?: Record<string, unknown>
  /** Layers of the file; those of the model are repeated. */
  layers?: number
  prompts?: number[][]
}

const full = { rope_theta: 1e6, rope_type: 'linear', factor: 8 }
const sliding = { rope_theta: 1e4, rope_type: 'default' }
const ministralRope = {
  ...{ beta_fast: 32, beta_slow: 1, factor: 4, llama_4_scaling_beta: 0.1, mscale: 1, mscale_all_dim: 1 },
  ...{ original_max_position_embeddings: 8, rope_theta: 1e6, rope_type: 'yarn' },
}
/** Where the made model is what no file can say, as the released models of its family are; windows as llama.cpp has them. */
const variants: Record<string, Variant> = {
  // llama.cpp has no window in these.
  'tiny-mistral-swa': { config: { sliding_window: null } },
  // It takes the long list where the context it made is longer than the original one.
  'tiny-phi3': { config: { sliding_window: null }, prompts: [long] },
  'tiny-smollm3': { config: { no_rope_layers: null, layer_types: null }, layers: 4 },
  'tiny-olmo3': { config: { layer_types: null }, layers: 4 },
  'tiny-gemma2': { config: { query_pre_attn_scalar: 16 } },
  'tiny-gemma3': {
    config: {
      ...{ query_pre_attn_scalar: 16, layer_types: null, sliding_window_pattern: 6 },
      rope_parameters: { full_attention: full, sliding_attention: sliding },
    },
    layers: 6,
  },
  'tiny-ministral3': { config: { rope_parameters: ministralRope } },
}

/** A made model's folder with another configuration. */
async function folderOf(name: string, { config = {}, layers }: Variant): Promise<string> {
  // Of a file whose name has phi3, llama.cpp takes for granted that it has the special tokens of Phi-3.
  const folder = join(await temporaryFolder(), name.replace('phi3', 'phi'))
  const tensors = await load_safetensors(join(golden(name), 'model.safetensors'))
  const own = JSON.parse(await readFile(join(golden(name), 'config.json'), 'utf8')) as Record<string, unknown>
  const made = own['num_hidden_layers'] as number
  const entries = Object.entries(tensors).flatMap(([key, tensor]) => {
    const [, layer, rest] = /^model\.layers\.(\d+)\.(.*)$/.exec(key) ?? []
    if (layer === undefined) return [[key, tensor] as const]
    const numbers = Array.from({ length: layers ?? made }, (_, i) => i).filter(
      (i) => i % made === Number(layer),
    )
    return numbers.map((i) => [`model.layers.${i}.${rest}`, tensor] as const)
  })
  await mkdir(folder)
  await save_safetensors(join(folder, 'model.safetensors'), Object.fromEntries(entries))
  for (const tensor of Object.values(tensors)) tensor.dispose()
  const changed = { ...own, ...config, ...(layers && { num_hidden_layers: layers }) }
  const kept = Object.entries(changed).filter(([key, value]) => value !== null || key === 'sliding_window')
  await writeFile(join(folder, 'config.json'), JSON.stringify(Object.fromEntries(kept)))
  return folder
}

describe.skipIf(!hasLlamaCpp)(titled('GGUF files read by llama.cpp', hasLlamaCpp, llamaCppNeeds), () => {
  it.each(families)('%s', { timeout: 300_000 }, async (name) => {
    const variant = variants[name]
    const folder = variant ? await folderOf(name, variant) : golden(name)
    const model = await load(folder)
    const tokenizer = await tokenizerOf(Math.min(265, model.config.vocab_size))
    const out = await temporaryFolder()
    const [file] = await model.save_pretrained_gguf(out, tokenizer, { quantization_method: 'F32' })
    const given = variant?.prompts ?? prompts
    const { answers } = await llamaCppAnswers({ file: file!, prompts: given, max_new_tokens })
    const rows = await model.generate({ input_ids: given }, { max_new_tokens, do_sample: false })
    expect(answers.map(cut)).toEqual(rows.map((row, i) => cut(row.slice(given[i]!.length))))
    // An end at once would say nothing.
    expect(answers.flat().length).toBeGreaterThan(12)
  })

  it.each([{}, { use_rslora: true, lora_alpha: 3 }])(
    'the adapter alone on the file of its base: %j',
    { timeout: 300_000 },
    async (lora) => {
      const peft = await adapted('tiny-llama', lora)
      const tokenizer = await tokenizerOf(265)
      const out = await temporaryFolder()
      const options = { quantization_method: 'F32' as const }
      const [file] = await peft.base_model.save_pretrained_gguf(out, tokenizer, options)
      const base = await llamaCppAnswers({ file: file!, prompts, max_new_tokens })
      const [adapter] = await peft.save_pretrained_gguf(join(out, 'lora'), tokenizer, {
        ...options,
        save_method: 'lora',
      })
      const { answers } = await llamaCppAnswers({ file: file!, lora: adapter!, prompts, max_new_tokens })
      const rows = await peft.generate({ input_ids: prompts }, { max_new_tokens, do_sample: false })
      expect(answers.map(cut)).toEqual(rows.map((row, i) => cut(row.slice(prompts[i]!.length))))
      expect(answers).not.toEqual(base.answers)
    },
  )

  const stories = sharedPath('data/stories260k')
  it.skipIf(!stories)(
    titled(
      "a SentencePiece vocabulary: llama.cpp's ids of a text, and its answers",
      stories,
      'data/stories260k',
    ),
    { timeout: 300_000 },
    async () => {
      const model = await load(stories!)
      const tokenizer = await AutoTokenizer.from_pretrained(stories!)
      const [file] = await model.save_pretrained_gguf(await temporaryFolder(), tokenizer, {
        quantization_method: 'F32',
      })
      const texts = ['Once upon a time, there was', 'Lily  said: "Hi, Tom!"\nThey', 'naïve 机 dragon']
      const theirs = await llamaCppAnswers({ file: file!, prompts: texts, max_new_tokens })
      const ids = await Promise.all(texts.map((text) => tokenizer.encode(text)))
      expect(theirs.prompts).toEqual(ids)
      const rows = await model.generate({ input_ids: ids }, { max_new_tokens, do_sample: false })
      expect(theirs.answers.map(cut)).toEqual(rows.map((row, i) => cut(row.slice(ids[i]!.length))))
    },
  )
})
