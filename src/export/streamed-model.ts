import { parseJsonObject } from '../files/json'
import { resolve_file, type HubOptions } from '../files/hub'
import { readTextFile } from '../files/text'
import { openModel } from '../models/auto'
import { modulesOf, weightShape } from '../models/blueprint'
import { blueprintOf } from '../models/families'
import { AdapterUpdate } from '../peft/adapter-update'
import { LoraConfig } from '../peft/config'
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../peft/save'
import { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { load_safetensors } from '../tensor/safetensors'
import { storedModel, type ExportedModel } from './exported-model'

/**
 * Calls `write` with the base model of an adapter's folder, which is read from its checkpoint while it is
 * written, with the adapter's update. The whole model is never in memory.
 * @throws Error when the adapter belongs to another model, or the base's checkpoint is 4-bit.
 */
export async function withStreamedModel<T>(
  folder: string,
  dtype: FloatDType | 'auto',
  hub: HubOptions,
  write: (model: ExportedModel, adapter: AdapterUpdate) => Promise<T>,
): Promise<T> {
  const configPath = await resolve_file(folder, ADAPTER_CONFIG, hub)
  const weights = await resolve_file(folder, ADAPTER_WEIGHTS, hub)
  if (!configPath || !weights)
    throw new Error(`${folder}: has no ${configPath ? ADAPTER_WEIGHTS : ADAPTER_CONFIG}`)
  const lora = LoraConfig.from_dict(parseJsonObject(configPath, await readTextFile(configPath)))
  const name = lora.base_model_name_or_path
  if (!name) throw new Error(`${configPath}: names no base_model_name_or_path`)
  const { config, source, generation } = await openModel(name, undefined, hub)
  try {
    if (config.quantization_config)
      throw new Error(
        `${name}: the checkpoint is in 4 bits and has no original weights; use base_weights 'dequantized'`,
      )
    const tensors = await load_safetensors(weights)
    try {
      const adapter = new AdapterUpdate(lora, new Map(Object.entries(tensors)))
      const blueprint = blueprintOf(config)
      checkFits(weights, adapter, blueprint, name)
      const about = {
        config,
        blueprint,
        generation,
        name,
        dtype: dtype === 'auto' ? (config.dtype ?? 'float32') : dtype,
      }
      return await write(storedModel(about, source, Device.get('cpu'), adapter), adapter)
    } finally {
      for (const tensor of Object.values(tensors)) tensor.dispose()
    }
  } finally {
    await source.close()
  }
}

function checkFits(
  path: string,
  { layers, replaced }: AdapterUpdate,
  blueprint: ExportedModel['blueprint'],
  base: string,
): void {
  const modules = new Map(modulesOf({ ...blueprint, tied: false }).map((module) => [module.key, module]))
  for (const [key, { a, b }] of layers) {
    const module = modules.get(key)
    if (!module) throw new Error(`${path}: '${base}' has no layer '${key}'; the adapter is another model's`)
    const [rows, columns] = weightShape(module)
    if (b.rows !== rows || a.cols !== columns)
      throw new Error(
        `${path}: the update of '${key}' has shape (${b.rows}, ${a.cols}), in '${base}' it is (${rows}, ${columns}); the adapter is another model's`,
      )
  }
  for (const [key, { shape }] of replaced) {
    const module = modules.get(key.replace(/\.weight$/, ''))
    if (module && shape[0] !== weightShape(module)[0])
      throw new Error(
        `${path}: '${key}' has ${shape[0]} rows, in '${base}' it has ${weightShape(module)[0]}: its tokens were added with resize_token_embeddings. Load the base model, resize it, load the adapter, and save from there`,
      )
  }
  const unknown = [...replaced.keys()].find((key) => !modules.has(key.replace(/\.(weight|bias)$/, '')))
  if (unknown !== undefined)
    throw new Error(`${path}: '${base}' has no tensor '${unknown}'; the adapter is another model's`)
}
