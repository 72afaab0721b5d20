import { addon } from '../native/addon'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'

/** A matrix [out, in] as bitsandbytes' LLM.int8 keeps it: a value is codes[i, j] * maxima[i] / 127. */
export interface Weight8bit {
  shape: readonly [number, number]
  /** The dtype the weight had before; what `denseWeight` gives. */
  dtype: FloatDType
  /** int8 [out, in] */
  codes: Tensor
  /** float32 [out]: the largest magnitude of each row, as float16; bitsandbytes' SCB. */
  maxima: Tensor
}

/** Quantizes a matrix [out, in] that comes in whole rows. */
export class Quantizer8bit {
  /** A part begins at a multiple of so many values. */
  readonly unit: number
  private readonly weight: Weight8bit

  constructor(device: Device, shape: readonly [number, number], dtype: FloatDType) {
    this.unit = shape[1]
    const [codes, maxima] = [device.empty(shape, 'int8'), device.empty([shape[0]], 'float32')]
    this.weight = { shape, dtype, codes, maxima }
  }

  /** Quantizes the values from `first` of the flattened matrix on. */
  add(x: Tensor, first = 0): void {
    const rows = x.numel / this.unit
    using values = x.view([rows, this.unit])
    using codes = this.weight.codes.view([rows, this.unit], first)
    using maxima = this.weight.maxima.view([rows], first / this.unit)
    addon().quantize_8bit(values.handle, codes.handle, maxima.handle)
  }

  finish(): Weight8bit {
    return this.weight
  }

  /** Instead of `finish`. */
  dispose(): void {
    disposeWeight8bit(this.weight)
  }
}

/** Quantizes a float matrix [out, in]; x stays the caller's, the result is new. */
export function quantizeWeight8bit(x: Tensor): Weight8bit {
  const quantizer = new Quantizer8bit(x.device, [x.rows, x.cols], x.dtype as FloatDType)
  quantizer.add(x)
  return quantizer.finish()
}

/** The whole matrix [out, in], rounded to its dtype. The caller owns it. */
export function dequantizeWeight8bit({ codes, maxima, shape, dtype }: Weight8bit): Tensor {
  const out = codes.device.empty(shape, dtype)
  addon().dequantize_8bit(codes.handle, maxima.handle, out.handle)
  return out
}

export function disposeWeight8bit({ codes, maxima }: Weight8bit): void {
  codes.dispose()
  maxima.dispose()
}
