import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { uniformStream } from '../../src/tensor/uniform-stream'
import { writeSafetensors } from '../../src/files/safetensors-write'
import { tensorShapes } from '../../src/models/blueprint'
import { PretrainedConfig } from '../../src/models/config'
import { blueprintOf } from '../../src/models/families'
import { temporaryFolder } from '../files/support/temporary'

const tiny = {
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 300,
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
  const blueprint = blueprintOf(new PretrainedConfig({ model_type: 'llama', ...sizes }))
  const stored = { ...tensorShapes(blueprint), ...shapes }
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
