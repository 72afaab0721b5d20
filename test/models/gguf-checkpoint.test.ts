import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { GgufCheckpoint } from '../../src/models/gguf-checkpoint'
import { checkpointKeys, unpermuteRows } from '../../src/models/gguf-names'
import { attentionFactor } from '../../src/nn/rope-frequencies'
import { familyModels } from '../parity/family-models'
import { goldenJson } from '../parity/support'
import { ggufBytes, type TestTensor, type TestValue } from '../files/support/gguf-writer'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'
import { randomInputs } from './tiny'

const metadata: Record<string, TestValue> = {
  'general.architecture': 'llama',
  'llama.block_count': 1,
  'llama.context_length': 64,
  'llama.embedding_length': 8,
  'llama.feed_forward_length': 12,
  'llama.attention.head_count': 2,
  'llama.attention.head_count_kv': 1,
  'llama.attention.layer_norm_rms_epsilon': 1e-5,
  'llama.rope.freq_base': 500000.5,
  'tokenizer.ggml.bos_token_id': 1,
  'tokenizer.ggml.eos_token_id': 2,
}
/** All tensors F32; element i of each is i. */
const shapes: Record<string, number[]> = {
  'token_embd.weight': [8, 5],
  'blk.0.attn_q.weight': [1, 8],
  'blk.0.attn_k.weight': [1, 4],
  'output_norm.weight': [8],
}

async function open(
  more: Record<string, TestValue> = {},
  extra: Record<string, number[]> = {},
): Promise<GgufCheckpoint> {
  let start = 0
  const tensors = Object.entries({ ...shapes, ...extra }).map(([name, dims]): TestTensor => {
    const tensor = { name, dims, type: 0, start }
    start += Math.ceil((dims.reduce((a, b) => a * b, 1) * 4) / 32) * 32
    return tensor
  })
  const data = new Float32Array(start / 4)
  for (const tensor of tensors) {
    const count = tensor.dims.reduce((a, b) => a * b, 1)
    for (let i = 0; i < count; i++) data[tensor.start / 4 + i] = i
  }
  const path = join(await temporaryFolder(), 'tiny.gguf')
  await writeFile(path, ggufBytes({ ...metadata, ...more }, tensors, new Uint8Array(data.buffer)))
  return GgufCheckpoint.open(path)
}

test('config, keys and row order of a llama file', async () => {
  const checkpoint = await open()
  expect(checkpoint.config).toEqual({
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    attention_bias: false,
    mlp_bias: false,
    hidden_act: 'silu',
    hidden_size: 8,
    intermediate_size: 12,
    max_position_embeddings: 64,
    num_attention_heads: 2,
    num_hidden_layers: 1,
    num_key_value_heads: 1,
    head_dim: 4,
    rms_norm_eps: 1e-5,
    rope_theta: 500000.5,
    rope_scaling: null,
    tie_word_embeddings: true,
    vocab_size: 5,
    bos_token_id: 1,
    eos_token_id: 2,
    pad_token_id: 2,
    torch_dtype: 'float32',
  })
  expect(checkpoint.tensors.get('model.embed_tokens.weight')?.shape).toEqual([5, 8])
  expect(await checkpoint.read('model.layers.0.self_attn.q_proj.weight')).toEqual(
    new Float32Array([0, 2, 1, 3, 4, 6, 5, 7]),
  )
  expect(await checkpoint.read('model.layers.0.self_attn.k_proj.weight')).toEqual(
    new Float32Array([0, 2, 1, 3]),
  )
  expect((await checkpoint.read('model.norm.weight'))[3]).toBe(3)
  await expect(checkpoint.read('lm_head.weight')).rejects.toThrow(
    "no tensor for 'lm_head.weight' among its 4",
  )
})

test('biases, an own head, linear scaling, head size', async () => {
  const { config, tensors } = await open(
    { 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 4, 'llama.attention.key_length': 4 },
    { 'output.weight': [8, 5], 'blk.0.attn_q.bias': [8], 'blk.0.ffn_gate.bias': [12] },
  )
  expect(config).toMatchObject({
    attention_bias: true,
    mlp_bias: true,
    tie_word_embeddings: false,
    head_dim: 4,
  })
  expect(config['rope_scaling']).toEqual({ rope_type: 'linear', factor: 4 })
  expect(tensors.has('lm_head.weight') && tensors.has('model.layers.0.self_attn.q_proj.bias')).toBe(true)
})

test('what a plain Llama is not is refused', async () => {
  await expect(open({ 'general.architecture': 'gpt2' })).rejects.toThrow(
    "architecture 'gpt2' is not supported; supported: llama, qwen2, qwen3, smollm3, granite, olmo2, phi3, gemma",
  )
  await expect(open({ 'llama.expert_count': 8 })).rejects.toThrow('mixture-of-experts')
  await expect(open({ 'llama.rope.scaling.type': 'ntk' })).rejects.toThrow(
    "RoPE scaling 'ntk' is not supported; supported: linear, yarn",
  )
  await expect(
    open({
      ...Object.fromEntries(
        Object.entries(metadata).map(([key, value]) => [key.replace('llama.', 'olmo2.'), value]),
      ),
      'general.architecture': 'olmo2',
      ...{ 'olmo2.attention.sliding_window': 4096, 'olmo2.rope.scaling.attn_factor': 1.2 },
    }),
  ).rejects.toThrow('attn_factor of an OLMo 3 is read in two ways')
  await expect(open({ 'llama.block_count': 'x' })).rejects.toThrow(
    "'llama.block_count' is string; expected a number",
  )
  await expect(open({}, { 'rope_freqs.weight': [2] })).rejects.toThrow('scaled RoPE by rope_freqs.weight')
  await expect(open({}, { 'blk.0.ffn_gate_exps.weight': [2] })).rejects.toThrow(
    'has no place in a LlamaForCausalLM',
  )
})

test('names of every kind', async () => {
  const names = ['attn_norm', 'attn_v', 'attn_output', 'ffn_norm', 'ffn_down', 'ffn_up', 'ffn_gate']
  const { tensors } = await open(
    {},
    { 'output.weight': [8, 5], ...Object.fromEntries(names.map((name) => [`blk.0.${name}.weight`, [8]])) },
  )
  const layer = ['input_layernorm', 'self_attn.v_proj', 'self_attn.o_proj', 'post_attention_layernorm']
  layer.push('mlp.down_proj', 'mlp.up_proj', 'mlp.gate_proj')
  for (const [i, key] of layer.entries())
    expect(tensors.get(`model.layers.0.${key}.weight`)?.name).toBe(`blk.0.${names[i]}.weight`)
  expect(tensors.get('lm_head.weight')?.name).toBe('output.weight')
  await expect(open({}, { 'blk.0.constructor.weight': [8] })).rejects.toThrow('has no place')
})

test('a qwen2 file: biases of q, k, v, rows as they are', async () => {
  const renamed = Object.entries(metadata).map(([key, value]) => [key.replace(/^llama/, 'qwen2'), value])
  const biases = { 'blk.0.attn_q.bias': [8], 'blk.0.attn_k.bias': [4], 'blk.0.attn_v.bias': [4] }
  const { config, tensors, ...rest } = await open(
    { ...(Object.fromEntries(renamed) as typeof metadata), 'general.architecture': 'qwen2' },
    biases,
  ).then((checkpoint) => ({
    config: checkpoint.config,
    tensors: checkpoint.tensors,
    q: checkpoint.read('model.layers.0.self_attn.q_proj.weight'),
  }))
  expect(config).toMatchObject({ architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2', head_dim: 4 })
  expect(tensors.has('model.layers.0.self_attn.k_proj.bias')).toBe(true)
  expect(await rest.q).toEqual(new Float32Array([0, 1, 2, 3, 4, 5, 6, 7]))
})

test('a llama file with a sliding window is a Mistral', async () => {
  const { config, read } = await open({ 'llama.attention.sliding_window': 16 }).then((checkpoint) => ({
    config: checkpoint.config,
    read: checkpoint.read('model.layers.0.self_attn.k_proj.weight'),
  }))
  expect(config).toMatchObject({
    architectures: ['MistralForCausalLM'],
    model_type: 'mistral',
    sliding_window: 16,
  })
  expect(await read).toEqual(new Float32Array([0, 2, 1, 3]))
})

test('unpermuteRows moves whole rows and refuses odd heads', () => {
  const rows = new Float32Array([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5])
  expect(unpermuteRows(rows, 4, 2, 1)).toEqual(new Float32Array([0, 0.5, 2, 2.5, 1, 1.5, 3, 3.5]))
  expect(() => unpermuteRows(rows, 4, 2, 4)).toThrow('4 rows do not divide into 4 even heads')
})

/** What a config.json says that the files of llama.cpp do not: there it follows from the architecture. */
const implied: Readonly<Record<string, object>> = {
  smollm3: { no_rope_layers: undefined, no_rope_layer_interval: 4 },
  gemma2: { query_pre_attn_scalar: 16 },
  gemma3: { query_pre_attn_scalar: 16 },
}

/** A copy of a golden model with what its GGUF file can tell. */
async function withoutUntold(name: string, architecture: string): Promise<string> {
  const folder = await temporaryFolder()
  const fields = goldenJson<object>(name, 'config.json')
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...fields, ...implied[architecture] }))
  await copyFile(golden(name, 'model.safetensors'), join(folder, 'model.safetensors'))
  return folder
}

const written = Object.values(familyModels).flatMap(({ gguf }) => gguf ?? [])

test.each(written)(
  '$model written as GGUF has the logits of the safetensors model',
  async ({ model: name, architecture }) => {
    const path = await withoutUntold(name, architecture)
    const model = await AutoModelForCausalLM.from_pretrained(path, { dtype: 'float32' })
    const { config, blueprint } = model
    const windows = blueprint.layers.map(({ window }) => window)
    const { rope_parameters: rope, rope_by_layer_type: ropes } = config
    const own: Record<string, TestValue> = {
      ...{ block_count: config.num_hidden_layers, context_length: 256, embedding_length: config.hidden_size },
      ...{
        feed_forward_length: config.intermediate_size,
        'attention.head_count': config.num_attention_heads,
      },
      ...{ 'attention.head_count_kv': config.num_key_value_heads },
      ...{ 'attention.layer_norm_rms_epsilon': config.rms_norm_eps },
      ...(Math.max(...windows) > 0 && { 'attention.sliding_window': Math.max(...windows) }),
      ...(architecture === 'phi3' && {
        'rope.dimension_count': config.head_dim * rope.partial_rotary_factor!,
        'rope.scaling.original_context_length': rope.original_max_position_embeddings!,
        'rope.scaling.attn_factor': attentionFactor(rope),
      }),
      ...(architecture === 'gemma2' && {
        attn_logit_softcapping: blueprint.layers[0]!.attentionSoftcap!,
        final_logit_softcapping: blueprint.logitSoftcap!,
      }),
      ...(architecture === 'gemma3' && {
        'attention.sliding_window_pattern': windows.map((window) => window > 0) as never,
        'rope.freq_base_swa': ropes.sliding_attention.rope_theta,
        'rope.scaling.type': 'linear',
        'rope.scaling.factor': rope.factor!,
      }),
      ...(config.model_type === 'olmo3' && {
        'attention.sliding_window_pattern': windows.map((window) => window > 0) as never,
      }),
      ...(rope.rope_type === 'yarn' && {
        ...{ 'rope.scaling.type': 'yarn', 'rope.scaling.factor': rope.factor! },
        'rope.scaling.original_context_length': rope.original_max_position_embeddings!,
      }),
      ...(architecture === 'mistral3' && {
        'rope.scaling.yarn_log_multiplier': rope.mscale_all_dim!,
        'attention.temperature_scale': rope.llama_4_scaling_beta!,
      }),
      'attention.key_length': config.head_dim,
      ...(architecture === 'granite' && {
        'attention.scale': Number(config.field('attention_multiplier')),
        embedding_scale: Number(config.field('embedding_multiplier')),
        residual_scale: Number(config.field('residual_multiplier')),
        logit_scale: Number(config.field('logits_scaling')),
      }),
      'rope.freq_base': rope.rope_theta,
    }
    const named = new Map([...checkpointKeys(blueprint)].map(([gguf, key]) => [key, gguf]))
    const tensors: TestTensor[] = []
    const parts: Uint8Array[] = []
    let start = 0
    const write = (name: string, dims: number[], values: Float32Array): void => {
      tensors.push({ name, dims, type: 0, start })
      const bytes = new Uint8Array(Math.ceil(values.byteLength / 32) * 32)
      bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
      parts.push(bytes)
      start += bytes.length
    }
    if (architecture === 'phi3')
      for (const kind of ['short', 'long'] as const) {
        const factors = rope[`${kind}_factor`]!
        write(`rope_factors_${kind}.weight`, [factors.length], Float32Array.from(factors))
      }
    for (const { key, shape, load } of model.tensors()) {
      using tensor = load()
      const heads = { q_proj: config.num_attention_heads, k_proj: config.num_key_value_heads }
      const which = /([qk]_proj)/.exec(key)?.[1] as keyof typeof heads | undefined
      let values = await tensor.data<Float32Array>()
      // The inverse: halves of d rows become neighbours, as llama.cpp's converter does.
      if (architecture.startsWith('gemma') && key.includes('norm')) values = values.map((value) => value + 1)
      if (which && ['llama', 'smollm3', 'granite', 'mistral3'].includes(architecture)) {
        const columns = shape[1] ?? 1
        const [half, from] = [shape[0]! / heads[which] / 2, values]
        values = new Float32Array(from.length)
        for (let row = 0; row < shape[0]!; row++) {
          const [head, at] = [Math.floor(row / (2 * half)), row % (2 * half)]
          const to = head * 2 * half + 2 * (at % half) + Math.floor(at / half)
          values.set(from.subarray(row * columns, (row + 1) * columns), to * columns)
        }
      }
      write(named.get(key)!, [...shape].reverse(), values)
    }
    const prefixed = Object.fromEntries(Object.entries(own).map(([key, v]) => [`${architecture}.${key}`, v]))
    const folder = await temporaryFolder()
    const bytes = ggufBytes(
      { 'general.architecture': architecture, ...prefixed },
      tensors,
      Buffer.concat(parts),
    )
    await writeFile(join(folder, 'm.gguf'), bytes)
    const read = await AutoModelForCausalLM.from_pretrained(folder, { gguf_file: 'm.gguf' })
    expect(read.config.architecture).toBe(config.architecture)
    const { input_ids: ids, attention_mask } = randomInputs([20, 9])
    const input_ids = ids.map((row) => row.map((id) => id % config.vocab_size))
    const outputs = await Promise.all(
      [model, read].map((each) => each.forward({ input_ids, attention_mask })),
    )
    const [expected, ours] = await Promise.all(outputs.map(({ logits }) => logits.data()))
    expect(ours).toEqual(expected)
    for (const { logits } of outputs) logits.dispose()
    for (const each of [model, read]) each.dispose()
  },
)
