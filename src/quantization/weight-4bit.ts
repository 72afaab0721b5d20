import { addon } from '../native/addon'
import type { FloatDType } from '../tensor/dtype'
import type { Scope } from '../tensor/scope'
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
 * A matrix [out, in] as bitsandbytes keeps it: 4-bit codes over the flattened matrix, two a byte with the first in the high half,
 * and one maximum for every `blocksize` values.
 */
export interface Weight4bit {
  quantType: 'nf4' | 'fp4'
  blocksize: number
  shape: readonly [number, number]
  /** The dtype the weight had before; what backward and merging dequantize to. */
  dtype: FloatDType
  /** uint8 [ceil(out * in / 2)] */
  codes: Tensor
  /** float32 [blocks], or its nested form. */
  absmax: Tensor | NestedAbsmax
}

export function isNested(absmax: Tensor | NestedAbsmax): absmax is NestedAbsmax {
  return 'codeMap' in absmax
}

/** Nested maxima that were restored once for many products, each under what it was restored from. */
export type RestoredMaxima = Map<NestedAbsmax, Tensor>

/** The block maxima as float32; nested ones are taken from `kept` or restored into it, without it into `scope`. */
export function plainAbsmax(stored: Tensor | NestedAbsmax, scope: Scope, kept?: RestoredMaxima): Tensor {
  if (!isNested(stored)) return stored
  const known = kept?.get(stored)
  if (known) return known
  const { q, codeMap, absmax, offset, blocksize } = stored
  const restored = scope.empty([q.numel], 'float32')
  if (kept) kept.set(stored, scope.keep(restored))
  addon().dequantize_absmax(
    q.handle,
    codeMap.handle,
    absmax.handle,
    offset.handle,
    restored.handle,
    blocksize,
  )
  return restored
}

/** The whole matrix [out, in], rounded to `dtype` (default: its own). The caller owns it. */
export function dequantizeWeight(weight: Weight4bit, dtype: FloatDType = weight.dtype): Tensor {
  const device = weight.codes.device
  using scope = device.scope()
  const out = device.empty(weight.shape, dtype)
  const absmax = plainAbsmax(weight.absmax, scope)
  addon().dequantize_4bit(weight.codes.handle, absmax.handle, out.handle, weight.quantType, weight.blocksize)
  return out
}

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
