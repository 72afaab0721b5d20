import { addon } from '../native/addon'
import type { BlockMaxima } from '../native/contract'
import type { FloatDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'

/** The second quantization, of the block maxima (`bnb_4bit_use_double_quant`). */
export interface NestedAbsmax {
  /** uint8 [blocks] */
  q: Tensor
  /** float32 [256] */
  codeMap: Tensor
  /** float32 [ceil(blocks / blocksize)] */
  absmax: Tensor
  /** float32 [1]: the mean that was subtracted. */
  offset: Tensor
  blocksize: number
}

/**
 * A matrix [out, in] as bitsandbytes stores it: 4-bit codes of the flattened matrix, two per byte with the
 * first in the high half, and one maximum per `blocksize` values.
 */
export interface Weight4bit {
  quantType: 'nf4' | 'fp4'
  blocksize: number
  shape: readonly [number, number]
  /** The dtype before quantization; backward and merging dequantize to it. */
  dtype: FloatDType
  /** uint8 [ceil(out * in / 2)] */
  codes: Tensor
  /** float32 [blocks], or its nested form. */
  absmax: Tensor | NestedAbsmax
}

export function isNested(absmax: Tensor | NestedAbsmax): absmax is NestedAbsmax {
  return 'codeMap' in absmax
}

/** Block maxima as the operations take them. */
export function blockMaxima(absmax: Tensor | NestedAbsmax): BlockMaxima {
  if (!isNested(absmax)) return [absmax.handle]
  const { q, codeMap, absmax: nested, offset, blocksize } = absmax
  return [q.handle, codeMap.handle, nested.handle, offset.handle, blocksize]
}

/** The whole matrix [out, in], rounded to `dtype` (default: its own). The caller owns it. */
export function dequantizeWeight(weight: Weight4bit, dtype: FloatDType = weight.dtype): Tensor {
  const out = weight.codes.device.empty(weight.shape, dtype)
  dequantizeInto(weight, out)
  return out
}

/** Dequantizes into `out` [out, in or wider]; further columns become 0. */
export function dequantizeInto(weight: Weight4bit, out: Tensor): void {
  const { codes, absmax, quantType, blocksize, shape } = weight
  const columns = out.cols === shape[1] ? 0 : shape[1]
  addon().dequantize_4bit(codes.handle, blockMaxima(absmax), out.handle, quantType, blocksize, columns)
}

/**
 * Average bytes of one 4-bit value with its share of the maxima: from 0.516 with double quantization to 0.5625
 * without.
 */
export const CODE_BYTES = 0.56

/** Bytes of codes and maxima. */
export function weightBytes(weight: Weight4bit): number {
  const absmax = isNested(weight.absmax)
    ? weight.absmax.q.nbytes + weight.absmax.absmax.nbytes + weight.absmax.codeMap.nbytes + 4
    : weight.absmax.nbytes
  return weight.codes.nbytes + absmax
}

export function disposeWeight(weight: Weight4bit): void {
  weight.codes.dispose()
  if (!isNested(weight.absmax)) return weight.absmax.dispose()
  for (const t of [weight.absmax.q, weight.absmax.codeMap, weight.absmax.absmax, weight.absmax.offset])
    t.dispose()
}
