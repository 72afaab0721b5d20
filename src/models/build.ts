import { Linear, type LinearLayer } from '../nn/linear'
import { logger } from '../logging'
import type { BitsAndBytesConfig } from '../quantization/config'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'
import { assemble, plainPart, rotaryTables, type ModelParts, type Part } from './assemble'
import { weightShape, type LinearModule, type Module } from './blueprint'
import type { PretrainedConfig } from './config'
import { blueprintOf } from './families'
import { isQuantized, layerQuantizer, prequantizedLayer } from './quantized'
import { allSettled, WeightStream } from './weight-stream'
import type { WeightSource } from './weights'

export interface BuildOptions {
  dtype: FloatDType
  quantization?: BitsAndBytesConfig | undefined
  signal?: AbortSignal | undefined
  /** Called after each tensor. */
  progress?: ((done: number, total: number) => void) | undefined
}

/**
 * Builds a decoder's parts from a weight source; linear layers are quantized slice by slice while they are
 * read.
 */
export async function buildModel(
  config: PretrainedConfig,
  source: WeightSource,
  device: Device,
  options: BuildOptions,
): Promise<ModelParts> {
  const loader = new Loader(source, device, options)
  try {
    const stored = source.names().length
    if (config.num_hidden_layers > stored)
      throw new Error(
        `the config asks for ${config.num_hidden_layers} layers; there are ${stored} tensors in all`,
      )
    const blueprint = blueprintOf(config)
    const { embedding, layers, norm, head, tied } = blueprint
    const rotaries = rotaryTables(blueprint, device).map((table) => table && loader.own(table))
    const made = new Map<string, Part>()
    // The modules of a group are loaded concurrently; the stream limits the number of reads in progress.
    for (const modules of [
      [embedding],
      ...layers.map((layer) => layer.modules),
      [norm],
      tied ? [] : [head],
    ]) {
      const parts = await allSettled(modules.map((module) => loader.module(module)))
      modules.forEach(({ key }, i) => made.set(key, parts[i]!))
    }
    await loader.finish(tied ? [...made.keys(), head.key] : [...made.keys()])
    return assemble(blueprint, made, rotaries)
  } catch (error) {
    loader.disposeAll()
    throw error
  } finally {
    device.emptyCache() // the memory of the slices
  }
}

class Loader {
  private done = 0
  private readonly total: number
  private readonly loaded: { dispose(): void }[] = []
  private readonly stream: WeightStream

  constructor(
    private readonly source: WeightSource,
    private readonly device: Device,
    private readonly options: BuildOptions,
  ) {
    this.total = source.names().length
    this.stream = new WeightStream(source, device, options.dtype, options.signal)
  }

  /** @throws Error naming a weight that is not finite. Warns about tensors that belong to no module of `keys`. */
  async finish(keys: readonly string[]): Promise<void> {
    await this.stream.finite.finish()
    const known = new Set(keys)
    const unused = this.source.names().filter((name) => {
      const key = /^(.*?)\.(weight|bias|SCB|weight_format)(\..*)?$/.exec(name)?.[1] ?? name
      return !known.has(key) && !name.endsWith('rotary_emb.inv_freq')
    })
    if (unused.length === 0) return
    const some = unused.slice(0, 3).join("', '")
    logger.warning(
      `${this.source.path}: ${unused.length} of ${this.total} tensors have no place in a model of this config and are left out: '${some}'${unused.length > 3 ? ', ...' : ''}`,
    )
  }

  /** Frees the modules of a model whose building failed. */
  disposeAll(): void {
    this.stream.finite.dispose()
    for (const item of this.loaded) item.dispose()
  }

  async tensor(name: string, shape: number[]): Promise<Tensor> {
    this.checkShape(name, shape)
    const tensor = this.own(await this.stream.tensor(name))
    this.report()
    return tensor
  }

  private checkShape(name: string, shape: number[]): void {
    const stored = this.source.shape(name)
    if (stored.join() !== shape.join())
      throw new Error(`'${name}' has shape (${stored.join(', ')}); the config asks for (${shape.join(', ')})`)
  }

  /** Reports that one more tensor is loaded. */
  private report(): void {
    this.options.signal?.throwIfAborted()
    this.options.progress?.(++this.done, this.total)
  }

  module(module: Module): Promise<Part> {
    return module.kind === 'linear' ? this.linear(module) : this.plain(module)
  }

  private async plain(module: Exclude<Module, LinearModule>): Promise<Part> {
    return plainPart(module, await this.tensor(`${module.key}.weight`, weightShape(module)))
  }

  private async linear(module: LinearModule): Promise<LinearLayer> {
    const { key: name, inFeatures, outFeatures } = module
    const bias = module.bias ? await this.tensor(`${name}.bias`, [outFeatures]) : undefined
    const { quantization, dtype } = this.options
    const stored =
      quantization && (await prequantizedLayer(this.source, name, quantization, this.device, dtype, bias))
    if (stored) {
      this.own(stored)
      this.report()
      if (stored.outFeatures !== outFeatures || stored.inFeatures !== inFeatures) {
        throw new Error(
          `'${name}' has shape (${stored.outFeatures}, ${stored.inFeatures}); the config asks for (${outFeatures}, ${inFeatures})`,
        )
      }
      return stored
    }
    const shape = weightShape(module)
    if (!quantization || !isQuantized(module, quantization))
      return new Linear(name, await this.tensor(`${name}.weight`, shape), bias)
    this.checkShape(`${name}.weight`, shape)
    const quantizer = await this.stream.quantized(`${name}.weight`, (of, from) =>
      layerQuantizer(quantization, this.device, of, from),
    )
    const layer = quantizer.layer(name, bias)
    this.own(layer)
    this.report()
    return layer
  }

  /** Registers something to be freed if building fails. */
  own<T extends { dispose(): void }>(item: T): T {
    this.loaded.push(item)
    return item
  }
}
