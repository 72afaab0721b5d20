import { z } from 'zod'
import { addon } from '../native/addon'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { flag, oneOf } from '../options/schemas'
import { isFloat, parseFloatDType, type FloatDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'
import { code4bit } from './codes'
import { quantizeWeight, type QuantizeOptions } from './quantize'
import { blockMaxima, type NestedAbsmax } from './weight-4bit'

/** bitsandbytes' QuantState: everything except the codes. */
export interface QuantState {
  quant_type: 'nf4' | 'fp4'
  blocksize: number
  /** The shape of the tensor that was quantized. */
  shape: readonly number[]
  dtype: FloatDType
  absmax: Tensor | NestedAbsmax
}

const quantizeOptionSet: OptionSet<Required<QuantizeOptions>> = {
  owner: 'quantize_4bit',
  options: {
    quant_type: { schema: oneOf('nf4', 'fp4'), default: 'nf4', doc: 'The 16 code values.' },
    blocksize: {
      schema: z
        .int()
        .refine((n) => n >= 32 && n <= 4096 && Number.isInteger(Math.log2(n)))
        .describe('a power of two from 32 to 4096'),
      default: 64,
      doc: 'Values that share a maximum.',
    },
    compress_statistics: { schema: flag, default: false, doc: 'Quantize the maxima too.' },
  },
  refused: {},
}

const dequantizeOptionSet: OptionSet<{ dtype: string | undefined }> = {
  owner: 'dequantize_4bit',
  options: { dtype: { schema: z.string(), default: undefined, doc: 'Of the result.' } },
  refused: {},
}

/**
 * Quantizes a float tensor of any shape to 4 bits, block by block over the flattened values, bit for bit as
 * bitsandbytes. `codes` is uint8 [ceil(n / 2)], with the first value in the high half of a byte. The caller
 * owns both results.
 * @throws Error when x is not a float tensor; TypeError on a wrong option.
 */
function quantize_4bit(x: Tensor, options: QuantizeOptions = {}): { codes: Tensor; quant_state: QuantState } {
  if (!isFloat(x.dtype)) throw new Error(`[quantize_4bit] expected a float tensor, got ${x.dtype}`)
  const { codes, absmax, quantType, blocksize, dtype } = quantizeWeight(
    x,
    parseOptions(quantizeOptionSet, options),
  )
  return { codes, quant_state: { quant_type: quantType, blocksize, shape: x.shape, dtype, absmax } }
}

/**
 * The values code * absmax, rounded to `dtype` (default: that of the quantized tensor). The caller owns the
 * result.
 */
function dequantize_4bit(codes: Tensor, quant_state: QuantState, options: { dtype?: string } = {}): Tensor {
  const wanted = parseOptions(dequantizeOptionSet, options).dtype ?? quant_state.dtype
  const dtype = parseFloatDType(wanted, '[dequantize_4bit] dtype')
  const out = codes.device.empty(quant_state.shape, dtype)
  const { absmax, quant_type, blocksize } = quant_state
  addon().dequantize_4bit(codes.handle, blockMaxima(absmax), out.handle, quant_type, blocksize, 0)
  return out
}

/** The 16 values of a code, by index, as bitsandbytes' `get_4bit_type`. */
function get_4bit_type(typename: 'nf4' | 'fp4'): Float32Array {
  if (!Object.hasOwn(code4bit, typename))
    throw new TypeError(`[get_4bit_type] typename: got ${String(typename)}, needs 'nf4' or 'fp4'`)
  return code4bit[typename].slice()
}

/** 4-bit quantization of single tensors, for experiments in cells. */
export const functional: {
  get_4bit_type: typeof get_4bit_type
  quantize_4bit: typeof quantize_4bit
  dequantize_4bit: typeof dequantize_4bit
} = { get_4bit_type, quantize_4bit, dequantize_4bit }
