import { copy, copyColumns, matmul } from '../tensor/ops'
import type { FloatDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { BaseLayer } from './linear'
import type { LoraLinear } from './lora'

// The adapter's columns as part of the base's product: y = [x
// down^T] @ [W
// s B]^T and dx = [dy
// ddown^T] @ [W ; A]. Compared with a separate product that is added, y is written once and never read, and
// rounded once; the cost is a copy of x or dy.

/** The copy is worth its time if the result is at least this many times as wide. */
const WIDER = 2
/**
 * With fewer tokens, products are bound by reading the weights, and very few tokens use a product that does not
 * dequantize.
 */
const LEAST_ROWS = 256

type Fusable = LoraLinear & { base: BaseLayer & Required<Pick<BaseLayer, 'dequantizeInto'>> }

/** Whether `projectFused` can be used for these layers, which read one input. */
export function canFuseForward(layers: readonly LoraLinear[], x: Tensor, ctx: Context): boolean {
  const rank = layers.reduce((n, layer) => n + layer.lora_A.data.rows, 0)
  return (
    rank % 8 === 0 && layers.every((layer) => canFuse(layer, x, layer.inFeatures, layer.outFeatures, ctx))
  )
}

/** Whether `inputGradientFused` can be used for this layer. */
export function canFuseBackward(layer: LoraLinear, dy: Tensor, ctx: Context): boolean {
  const { outFeatures, inFeatures } = layer
  return (
    layer.lora_A.data.rows % 8 === 0 && !layer.drops(ctx) && canFuse(layer, dy, outFeatures, inFeatures, ctx)
  )
}

/** True if the product is narrow to wide, all in one dtype, and adds nothing but the adapter. */
function canFuse(layer: LoraLinear, operand: Tensor, narrow: number, wide: number, ctx: Context): boolean {
  const { base } = layer
  if (!layer.device.dequantizesWhole || !base.dequantizeInto || base.bias) return false
  if (operand.rows < LEAST_ROWS || narrow % 8 !== 0 || wide < WIDER * narrow) return false
  const dtypes = [...(base.productDtypes?.(ctx) ?? []), layer.operand(ctx)]
  return dtypes.every((dtype) => dtype === operand.dtype)
}

/**
 * Outputs [T, out] of layers that read x [T, in], from `lowRank` [sum of r, T]: the rows of the layers, in
 * order.
 */
export function projectFused(
  layers: readonly LoraLinear[],
  x: Tensor,
  lowRank: Tensor,
  ctx: Context,
): Tensor[] {
  const dtype = x.dtype as FloatDType
  const width = x.cols + lowRank.rows
  const left = fusedOperand(x, lowRank, ctx)
  let column = x.cols
  const ys = (layers as Fusable[]).map(({ base, lora_A, lora_B, settings, outFeatures }) => {
    const weight = ctx.scope.empty([outFeatures, width], dtype)
    base.dequantizeInto(weight)
    copyColumns(lora_B.data, weight, column, { scale: settings.scaling })
    column += lora_A.data.rows
    const y = ctx.scope.empty([x.rows, outFeatures], dtype)
    matmul(left, weight, y, { transposeB: true, operand: dtype })
    ctx.scope.free(weight)
    return y
  })
  ctx.scope.free(left)
  return ys
}

/** dx [T, in] from dy [T, out] and `ddown` [r, T], which already includes the scaling. */
export function inputGradientFused(layer: LoraLinear, dy: Tensor, ddown: Tensor, ctx: Context): Tensor {
  const { base, lora_A, inFeatures, outFeatures } = layer as Fusable
  const dtype = dy.dtype as FloatDType
  const left = fusedOperand(dy, ddown, ctx)
  const weight = ctx.scope.empty([left.cols, inFeatures], dtype)
  const [above, below] = [weight.slice(0, outFeatures), weight.slice(outFeatures, left.cols)]
  base.dequantizeInto(above)
  copy(lora_A.data, below)
  for (const part of [above, below]) part.dispose()
  const dx = ctx.scope.empty([dy.rows, inFeatures], dtype)
  matmul(left, weight, dx, { operand: dtype })
  for (const t of [left, weight]) ctx.scope.free(t)
  return dx
}

/** [x | lowRank^T] */
function fusedOperand(x: Tensor, lowRank: Tensor, ctx: Context): Tensor {
  const left = ctx.scope.empty([x.rows, x.cols + lowRank.rows], x.dtype)
  copyColumns(x, left, 0)
  copyColumns(lowRank, left, x.cols, { transpose: true })
  return left
}
