import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { uniformStream } from '../../src/data/random'
import { writeSafetensors } from '../../src/files/safetensors-write'
import { temporaryFolder } from '../files/support/temporary'

export interface ModelSizes {
  hidden_size: number
  intermediate_size: number
  num_hidden_layers: number
  num_attention_heads: number
  num_key_value_heads: number
  vocab_size: number
}

const tiny: ModelSizes = {
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 300,
}

/** Shapes of a checkpoint's tensors by name. */
export function shapesOf(sizes: ModelSizes): Record<string, number[]> {
  const { hidden_size: h, intermediate_size: inner, vocab_size: vocab } = sizes
  const kv = (h / sizes.num_attention_heads) * sizes.num_key_value_heads
  const shapes: Record<string, number[]> = { 'model.embed_tokens.weight': [vocab, h] }
  for (let i = 0; i < sizes.num_hidden_layers; i++) {
    const layer: Record<string, number[]> = {
      input_layernorm: [h],
      'self_attn.q_proj': [h, h],
      'self_attn.k_proj': [kv, h],
      'self_attn.v_proj': [kv, h],
      'self_attn.o_proj': [h, h],
      post_attention_layernorm: [h],
      'mlp.gate_proj': [inner, h],
      'mlp.up_proj': [inner, h],
      'mlp.down_proj': [h, inner],
    }
    for (const [key, shape] of Object.entries(layer)) shapes[`model.layers.${i}.${key}.weight`] = shape
  }
  return { ...shapes, 'model.norm.weight': [h], 'lm_head.weight': [vocab, h] }
}

/** A model folder with random weights. `config` replaces fields of config.json, `shapes` those of tensors (null: left out). */
export async function writeModel(
  config: Record<string, unknown> = {},
  shapes: Record<string, number[] | null> = {},
): Promise<string> {
  const folder = await temporaryFolder()
  const all = {
    model_type: 'llama',
    ...tiny,
    max_position_embeddings: 512,
    dtype: 'float32',
    eos_token_id: 2,
    ...config,
  }
  await writeFile(join(folder, 'config.json'), JSON.stringify(all))
  const sizes = Object.fromEntries(
    Object.entries(tiny).map(([k, v]) => [k, typeof config[k] === 'number' ? config[k] : v]),
  )
  const stored = { ...shapesOf(sizes as unknown as ModelSizes), ...shapes }
  const uniform = uniformStream(3)
  const entries = Object.entries(stored).flatMap(([name, shape]) => {
    if (!shape) return []
    const isNorm = name.includes('norm')
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
    const width = 2 / Math.sqrt(shape.at(-1)!)
    for (let i = 0; i < values.length; i++) values[i] = isNorm ? 1 : width * (uniform() - 0.5)
    return [{ name, dtype: 'F32' as const, shape, data: new Uint8Array(values.buffer) }]
  })
  await writeSafetensors(join(folder, 'model.safetensors'), entries, { format: 'pt' })
  return folder
}
