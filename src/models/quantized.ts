import type { BaseLayer } from '../nn/linear'
import { Linear4bit } from '../nn/linear4bit'
import { Linear8bit } from '../nn/linear8bit'
import type { BitsAndBytesConfig } from '../quantization/config'
import { isPrequantized, loadPrequantized } from '../quantization/prequantized'
import { isPrequantized8bit, loadPrequantized8bit } from '../quantization/prequantized-8bit'
import { WeightQuantizer } from '../quantization/quantize'
import { CODE_BYTES } from '../quantization/weight-4bit'
import { Quantizer8bit } from '../quantization/weight-8bit'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'
import type { LinearModule } from './blueprint'
import type { PartQuantizer } from './weight-stream'
import type { WeightSource } from './weights'

/**
 * Whether a layer's weight is quantized: not if `llm_int8_skip_modules` names it by the end or the beginning of
 * its path.
 */
export function isQuantized(
  { key, quantizable }: Pick<LinearModule, 'key' | 'quantizable'>,
  quantization: BitsAndBytesConfig | undefined,
): boolean {
  if (!quantizable || !quantization?.is_quantizable()) return false
  const skip = quantization.llm_int8_skip_modules ?? []
  return !skip.some((s) => key === s || key.endsWith(`.${s}`) || key.startsWith(`${s}.`))
}

/** Bytes per value of a layer's weight in codes; undefined if the weight is stored in full. */
export function codeBytes(
  module: LinearModule,
  quantization: BitsAndBytesConfig | undefined,
): number | undefined {
  if (!isQuantized(module, quantization)) return undefined
  return quantization!.load_in_8bit ? 1 : CODE_BYTES
}

/** Quantizes a matrix [out, in] that comes in parts, and makes the layer of the result. */
export interface LayerQuantizer extends PartQuantizer {
  layer(name: string, bias: Tensor | undefined): BaseLayer
}

/** What quantizes a weight of this shape as `quantization` says. `dtype`: that of the parts. */
export function layerQuantizer(
  quantization: BitsAndBytesConfig,
  device: Device,
  shape: readonly [number, number],
  dtype: FloatDType,
): LayerQuantizer {
  if (quantization.load_in_8bit) {
    const quantizer = new Quantizer8bit(device, shape, dtype)
    return {
      unit: quantizer.unit,
      add: (x, first) => quantizer.add(x, first),
      layer: (name, bias) => new Linear8bit(name, quantizer.finish(), quantization.llm_int8_threshold, bias),
      dispose: () => quantizer.dispose(),
    }
  }
  const quantizer = new WeightQuantizer(device, shape, dtype, {
    quant_type: quantization.bnb_4bit_quant_type,
    compress_statistics: quantization.bnb_4bit_use_double_quant,
  })
  return {
    unit: quantizer.unit,
    add: (x, first) => quantizer.add(x, first),
    layer: (name, bias) =>
      new Linear4bit(name, quantizer.finish(), quantization.bnb_4bit_compute_dtype, bias),
    dispose: () => quantizer.dispose(),
  }
}

/** The layer `name` of a checkpoint that holds it as bitsandbytes' codes; undefined where it does not. `dtype`: the model's. */
export async function prequantizedLayer(
  source: WeightSource,
  name: string,
  quantization: BitsAndBytesConfig,
  device: Device,
  dtype: FloatDType,
  bias: Tensor | undefined,
): Promise<BaseLayer | undefined> {
  if (isPrequantized(source, name)) {
    const weight = await loadPrequantized(source, name, device)
    return new Linear4bit(name, weight, quantization.bnb_4bit_compute_dtype, bias)
  }
  if (isPrequantized8bit(source, name)) {
    const weight = await loadPrequantized8bit(source, name, device, dtype)
    return new Linear8bit(name, weight, quantization.llm_int8_threshold, bias)
  }
  return undefined
}
