import { addon } from '../native/addon'
import type { Device } from '../tensor/device'
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

/** Number of maxima that share one second-level maximum; fixed in bitsandbytes too. */
const NESTED_BLOCKSIZE = 256

/** Quantizes a float matrix [out, in]. The caller keeps x and owns the result. */
export function quantizeWeight(x: Tensor, options: QuantizeOptions = {}): Weight4bit {
  const quantizer = new WeightQuantizer(x.device, [x.rows, x.cols], x.dtype as FloatDType, options)
  quantizer.add(x)
  return quantizer.finish()
}

/** Quantizes a matrix [out, in] that arrives in parts. */
export class WeightQuantizer {
  /** A part begins at a multiple of so many values, beside whole blocks. */
  readonly unit: number = 1
  private readonly quantType: 'nf4' | 'fp4'
  private readonly blocksize: number
  private readonly nested: boolean
  private readonly codes: Tensor
  private readonly absmax: Tensor

  constructor(
    device: Device,
    private readonly shape: readonly [number, number],
    private readonly dtype: FloatDType,
    options: QuantizeOptions = {},
  ) {
    const { quant_type = 'nf4', blocksize = 64, compress_statistics = false } = options
    this.quantType = quant_type
    this.blocksize = blocksize
    this.nested = compress_statistics
    const count = shape[0] * shape[1]
    this.codes = device.empty([Math.ceil(count / 2)], 'uint8')
    this.absmax = device.empty([Math.ceil(count / blocksize)], 'float32')
  }

  /** Quantizes values of the flattened matrix, from index `first` on, which is a multiple of the block size. */
  add(x: Tensor, first = 0): void {
    using codes = this.codes.view([Math.ceil(x.numel / 2)], first / 2)
    using absmax = this.absmax.view([Math.ceil(x.numel / this.blocksize)], first / this.blocksize)
    addon().quantize_4bit(x.handle, codes.handle, absmax.handle, this.quantType, this.blocksize)
  }

  finish(): Weight4bit {
    return {
      quantType: this.quantType,
      blocksize: this.blocksize,
      shape: this.shape,
      dtype: this.dtype,
      codes: this.codes,
      absmax: this.nested ? nestAbsmax(this.absmax) : this.absmax,
    }
  }

  /** Frees everything; called in place of `finish`. */
  dispose(): void {
    this.codes.dispose()
    this.absmax.dispose()
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
