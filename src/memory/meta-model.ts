import { assemble, plainPart, rotaryTables, type Part } from '../models/assemble'
import { modulesOf, weightShape, type LinearModule } from '../models/blueprint'
import { CausalLM } from '../models/causal-lm'
import type { PretrainedConfig } from '../models/config'
import { blueprintOf } from '../models/families'
import { isQuantized, layerQuantizer } from '../models/quantized'
import { Linear } from '../nn/linear'
import type { BitsAndBytesConfig } from '../quantization/config'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { fill } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

/** What the bytes of a model depend on. */
export interface ModelShape {
  config: PretrainedConfig
  dtype: FloatDType
  quantization?: BitsAndBytesConfig | undefined
}

/**
 * A model of these shapes without values, made in the same order as `buildModel`. `made` is called with the
 * kind of each part after it was made.
 */
export function metaModel(
  { config, dtype, quantization }: ModelShape,
  device: Device,
  made: (what: string) => void,
): CausalLM {
  const tensor = (...shape: number[]): Tensor => {
    const t = device.empty(shape, dtype)
    fill(t, 0)
    return t
  }
  const linear = (module: LinearModule): Part => {
    const { key } = module
    const bias = module.bias ? tensor(module.outFeatures) : undefined
    if (!quantization || !isQuantized(module, quantization)) {
      const layer = new Linear(key, tensor(...weightShape(module)), bias)
      made(key === 'lm_head' ? 'head' : 'weights')
      return layer
    }
    using full = tensor(...weightShape(module))
    const quantizer = layerQuantizer(quantization, device, [module.outFeatures, module.inFeatures], dtype)
    quantizer.add(full)
    const layer = quantizer.layer(key, bias)
    full.dispose()
    made(quantization.load_in_8bit ? '8-bit weights' : '4-bit weights')
    return layer
  }
  const blueprint = blueprintOf(config)
  const rotaries = rotaryTables(blueprint, device)
  const parts = new Map<string, Part>()
  for (const module of modulesOf(blueprint)) {
    const { key } = module
    if (module.kind === 'linear') parts.set(key, linear(module))
    else {
      parts.set(key, plainPart(module, tensor(...weightShape(module))))
      made(module.kind === 'embedding' ? 'embedding' : 'norms')
    }
  }
  return new CausalLM(config, assemble(blueprint, parts, rotaries), device, dtype, 'planned', quantization)
}
