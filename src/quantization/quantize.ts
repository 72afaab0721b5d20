import { addon } from '../native/addon'
import type { FloatDType } from '../tensor/dtype'
import { Tensor } from '../tensor/tensor'
import { dynamicMap } from './codes'
import type { NestedAbsmax, Weight4bit } from './weight-4bit'

export interface QuantizeOptions {
  /** Default 'nf4'. */
  quant_type?: 'nf4' | 'fp4'
  /** Values that share a maximum: a power of two from 32 to 4096. Default 64. */
  blocksize?: number
  /** Quantize the maxima too. Default false. */
  compress_statistics?: boolean
}

/** Blocks of maxima that share one second-level maximum; not configurable in bitsandbytes either. */
const NESTED_BLOCKSIZE = 256

/** Quantizes a float matrix [out, in]; x stays the caller's, the result is new. */
export function quantizeWeight(x: Tensor, options: QuantizeOptions = {}): Weight4bit {
  const { quant_type = 'nf4', blocksize = 64, compress_statistics = false } = options
  const device = x.device
  const codes = device.empty([Math.ceil(x.numel / 2)], 'uint8')
  const absmax = device.empty([Math.ceil(x.numel / blocksize)], 'float32')
  addon().quantize_4bit(x.handle, codes.handle, absmax.handle, quant_type, blocksize)
  return {
    quantType: quant_type,
    blocksize,
    shape: [x.rows, x.cols],
    dtype: x.dtype as FloatDType,
    codes,
    absmax: compress_statistics ? nestAbsmax(absmax) : absmax,
  }
}

/** Quantizes the block maxima to 8 bits and frees them. */
function nestAbsmax(absmax: Tensor): NestedAbsmax {
  const { device, numel } = absmax
  const nested = {
    q: device.empty([numel], 'uint8'),
    codeMap: Tensor.from(dynamicMap(true), { device }),
    absmax: device.empty([Math.ceil(numel / NESTED_BLOCKSIZE)], 'float32'),
    offset: device.empty([1], 'float32'),
    blocksize: NESTED_BLOCKSIZE,
  }
  addon().quantize_absmax(
    absmax.handle,
    nested.codeMap.handle,
    nested.q.handle,
    nested.absmax.handle,
    nested.offset.handle,
    NESTED_BLOCKSIZE,
  )
  absmax.dispose()
  return nested
}
