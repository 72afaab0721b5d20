import { dirname, join } from 'node:path'
import { resolve_file, type HubOptions } from '../files/hub'
import { parseWeightMap, MODEL_FILE, MODEL_INDEX } from '../files/checkpoint'
import { parseJsonObject } from '../files/json'
import { namingFile } from '../files/naming'
import { readTextFile } from '../files/text'
import { logger } from '../logging'
import { BitsAndBytesConfig } from '../quantization/config'
import { Device } from '../tensor/device'
import { parseFloatDType } from '../tensor/dtype'
import { buildModel } from './build'
import { CausalLM, type GenerationDefaults } from './causal-lm'
import { PretrainedConfig } from './config'
import { fp8Block, Fp8Source } from './fp8-source'
import { pretrainedOptions, type PretrainedOptions } from './pretrained-options'
import { GgufSource, SafetensorsSource, type WeightSource } from './weights'

const CONFIG_FILE = 'config.json'

/** Loads a model's configuration without its weights. */
export class AutoConfig {
  /**
   * Reads the config.json of a folder, the hub's cache or the hub; with `gguf_file`, that of a GGUF file.
   * @throws Error when the model or file does not exist, or its model_type is not supported.
   */
  static async from_pretrained(
    name_or_path: string,
    options: PretrainedOptions = {},
  ): Promise<PretrainedConfig> {
    const { hub, gguf_file } = pretrainedOptions('AutoConfig.from_pretrained', options)
    if (gguf_file === undefined) return readConfig(name_or_path, hub)
    const source = await openGguf(name_or_path, gguf_file, hub)
    return namingFile(source.path, () => new PretrainedConfig(source.config))
  }
}

/** Loads the weights and configuration of a decoder with a language-model head. */
export class AutoModelForCausalLM {
  /**
   * Loads a model from a folder, the hub's cache or the hub to one device. With a `quantization_config` the
   * linear layers are quantized to 4 or 8 bits while they are read; a checkpoint that is already quantized is
   * loaded as it is. `dtype` (or `torch_dtype`) is that of everything else. Default 'auto': that of config.json,
   * else that of the checkpoint's first floating-point tensor by name; float32 for GGUF.
   * @throws Error naming the file, tensor or option that is wrong.
   */
  static async from_pretrained(name_or_path: string, options: PretrainedOptions = {}): Promise<CausalLM> {
    const o = pretrainedOptions('AutoModelForCausalLM.from_pretrained', options)
    const device = Device.get(o.device)
    const opened = await openModel(name_or_path, o.gguf_file, o.hub)
    const { config, source } = opened
    try {
      const stored = config.quantization_config
      if (stored && o.quantization_config) {
        logger.warning(
          `${name_or_path} is already quantized: its own quantization_config is used, not the one given`,
        )
      }
      const quantization = stored
        ? await namingFile(opened.configPath, () => BitsAndBytesConfig.from_dict(stored))
        : o.quantization_config
      const dtype = o.dtype === 'auto' ? (config.dtype ?? source.dtype) : parseFloatDType(o.dtype, 'dtype')
      const build = { dtype, quantization, signal: o.signal, progress: o.progress }
      const parts = await namingFile(source.path, () => buildModel(config, source, device, build), o.signal)
      const model = new CausalLM(
        ...([config, parts, device, dtype, name_or_path, quantization, opened.generation] as const),
      )
      model.openOriginal = async () => (await openModel(name_or_path, o.gguf_file, o.hub)).source
      return model
    } finally {
      await source.close()
    }
  }
}

/** A checkpoint's configuration and weights. The caller closes the source. */
export interface OpenedModel {
  config: PretrainedConfig
  /** The file that contains the config. */
  configPath: string
  source: WeightSource
  generation: GenerationDefaults
}

/**
 * Finds a model's files in a folder, the cache or the hub. `gguf`: read this GGUF file in place of config.json
 * and safetensors.
 */
export async function openModel(
  name: string,
  gguf: string | undefined,
  hub: HubOptions,
): Promise<OpenedModel> {
  if (gguf !== undefined) {
    const source = await openGguf(name, gguf, hub)
    const config = await namingFile(source.path, () => new PretrainedConfig(source.config))
    return { config, configPath: source.path, source, generation: {} }
  }
  const config = await readConfig(name, hub)
  const single = await resolve_file(name, MODEL_FILE, hub)
  const index = single ?? (await resolve_file(name, MODEL_INDEX, hub))
  if (!index) throw new Error(`${name}: has neither ${MODEL_FILE} nor ${MODEL_INDEX}`)
  if (!single) {
    const shards = new Set(parseWeightMap(index, await readTextFile(index)).values())
    for (const shard of shards) await resolve_file(name, shard, hub)
  }
  const generation = await resolve_file(name, 'generation_config.json', hub)
  const configPath = join(dirname(index), CONFIG_FILE)
  const block = isFp8(config)
    ? await namingFile(configPath, () => fp8Block(config.quantization_config!))
    : null
  const source = await SafetensorsSource.open(dirname(index))
  return {
    config: isFp8(config) ? config.withoutQuantization() : config,
    configPath,
    source: isFp8(config) ? new Fp8Source(source, block) : source,
    generation: generation ? parseJsonObject(generation, await readTextFile(generation)) : {},
  }
}

/** fp8 weights are read in full: the loaded model is not quantized. */
const isFp8 = ({ quantization_config }: PretrainedConfig): boolean =>
  quantization_config?.['quant_method'] === 'fp8'

async function openGguf(name: string, file: string, hub: HubOptions): Promise<GgufSource> {
  const path = await resolve_file(name, file, hub)
  if (!path) throw new Error(`${name}: has no file '${file}'`)
  return GgufSource.open(path)
}

async function readConfig(name: string, hub: HubOptions): Promise<PretrainedConfig> {
  const path = await resolve_file(name, CONFIG_FILE, hub)
  if (!path) throw new Error(`${name}: has no ${CONFIG_FILE}`)
  const fields = parseJsonObject(path, await readTextFile(path))
  return namingFile(path, () => new PretrainedConfig(fields))
}
