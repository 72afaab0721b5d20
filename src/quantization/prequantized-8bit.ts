import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'
import type { QuantizedSource } from './prequantized'
import type { Weight8bit } from './weight-8bit'

/** Whether the checkpoint holds `name` as bitsandbytes' 8-bit codes. */
export function isPrequantized8bit(source: { has(name: string): boolean }, name: string): boolean {
  return source.has(`${name}.SCB`)
}

/**
 * Reads the linear layer `name` as bitsandbytes saved it: `weight` int8 [out, in], `SCB` float32 [out], and `weight_format`, 0 for rows
 * one after another. `dtype`: what the weight is dequantized to.
 * @throws Error naming the tensor: another dtype, sizes that do not fit, a layout of old versions, maxima that are not finite
 */
export async function loadPrequantized8bit(
  source: QuantizedSource,
  name: string,
  device: Device,
  dtype: FloatDType,
): Promise<Weight8bit> {
  const format = `${name}.weight_format`
  if (source.has(format)) {
    const [layout] = await source.bytes(format)
    if (layout !== 0)
      throw new Error(
        `'${format}' is ${layout}; expected 0, rows one after another: save the model again with a newer bitsandbytes`,
      )
  }
  const loaded: Tensor[] = []
  const load = async (key: string): Promise<Tensor> => {
    const tensor = await source.load(key, device)
    loaded.push(tensor)
    return tensor
  }
  try {
    const codes = await load(`${name}.weight`)
    const [rows, cols] = codes.shape
    if (codes.dtype !== 'int8' || rows === undefined || cols === undefined || codes.shape.length !== 2)
      throw new Error(
        `'${name}.weight' is ${codes.dtype} of shape (${codes.shape.join(', ')}); beside '${name}.SCB' it is to be an int8 matrix`,
      )
    const maxima = await load(`${name}.SCB`)
    if (maxima.dtype !== 'float32' || maxima.numel !== rows)
      throw new Error(
        `'${name}.SCB' is ${maxima.numel} values of ${maxima.dtype}; '${name}.weight' needs ${rows} of float32, one a row`,
      )
    if (!(await maxima.data()).every(Number.isFinite))
      throw new Error(`'${name}.SCB' has a value that is NaN or infinite`)
    return { shape: [rows, cols], dtype, codes, maxima }
  } catch (error) {
    for (const tensor of loaded) tensor.dispose()
    throw error
  }
}
