import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { GgufCheckpoint } from '../../src/files/gguf-llama'
import { ggufToCheckpointKey, unpermuteRows } from '../../src/files/gguf-names'
import { ggufBytes, type TestTensor, type TestValue } from './support/gguf-writer'
import { temporaryFolder } from './support/temporary'

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
  await expect(open({ 'general.architecture': 'gemma' })).rejects.toThrow(
    "architecture 'gemma' is not supported",
  )
  await expect(open({ 'llama.expert_count': 8 })).rejects.toThrow('mixture-of-experts')
  await expect(open({ 'llama.rope.scaling.type': 'yarn' })).rejects.toThrow(
    "RoPE scaling 'yarn' is not supported",
  )
  await expect(open({ 'llama.block_count': 'x' })).rejects.toThrow(
    "'llama.block_count' is string; expected a number",
  )
  await expect(open({}, { 'rope_freqs.weight': [2] })).rejects.toThrow('scaled RoPE by rope_freqs.weight')
  await expect(open({}, { 'blk.0.ffn_gate_exps.weight': [2] })).rejects.toThrow(
    'has no place in a Llama model',
  )
})

test('names of every kind', () => {
  const key = (name: string): string | undefined => ggufToCheckpointKey(name)
  expect(key('blk.11.attn_norm.weight')).toBe('model.layers.11.input_layernorm.weight')
  expect(key('blk.0.attn_v.weight')).toBe('model.layers.0.self_attn.v_proj.weight')
  expect(key('blk.0.attn_output.bias')).toBe('model.layers.0.self_attn.o_proj.bias')
  expect(key('blk.0.ffn_norm.weight')).toBe('model.layers.0.post_attention_layernorm.weight')
  expect(key('blk.0.ffn_down.weight')).toBe('model.layers.0.mlp.down_proj.weight')
  expect(key('blk.0.ffn_up.weight')).toBe('model.layers.0.mlp.up_proj.weight')
  expect(key('output.weight')).toBe('lm_head.weight')
  expect(key('blk.0.constructor.weight')).toBeUndefined()
})

test('unpermuteRows moves whole rows and refuses odd heads', () => {
  const rows = new Float32Array([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5])
  expect(unpermuteRows(rows, 4, 2, 1)).toEqual(new Float32Array([0, 0.5, 2, 2.5, 1, 1.5, 3, 3.5]))
  expect(() => unpermuteRows(rows, 4, 2, 4)).toThrow('4 rows do not divide into 4 even heads')
})
