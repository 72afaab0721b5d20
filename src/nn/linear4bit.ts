import { addon } from '../native/addon'
import { quantizeWeight } from '../quantization/quantize'
import {
  blockMaxima,
  dequantizeInto,
  dequantizeWeight,
  disposeWeight,
  isNested,
  weightBytes,
  type Weight4bit,
} from '../quantization/weight-4bit'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { add, addBias, copy, sumRows } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { BaseLayer, InputGradient, Into } from './linear'
import type { Parameter } from './parameter'

/**
 * y = x @ W^T + bias with a 4-bit W, as bitsandbytes' Linear4bit: x and bias are rounded to the compute dtype;
 * the product is rounded to it and cast back to x's dtype. Backward uses W in its own dtype. The weight is
 * frozen.
 */
export class Linear4bit implements BaseLayer {
  trainedBias: Parameter | undefined
  readonly className: string = 'Linear4bit'
  readonly backwardNeedsInput: boolean = false

  constructor(
    readonly name: string,
    readonly weight: Weight4bit,
    readonly computeDtype: FloatDType,
    readonly bias?: Tensor | undefined,
  ) {}

  get device(): Device {
    return this.weight.codes.device
  }

  get weightDtype(): FloatDType {
    return this.weight.dtype
  }

  get weightBytes(): number {
    return weightBytes(this.weight)
  }

  get outFeatures(): number {
    return this.weight.shape[0]
  }

  get inFeatures(): number {
    return this.weight.shape[1]
  }

  forward(x: Tensor, ctx: Context, into?: Into): Tensor {
    const compute = ctx.autocast ?? this.computeDtype
    const y = this.product(x, compute, compute, true, ctx, into)
    if (this.bias) addBias(y, this.castTo(compute, this.bias, ctx, false), y)
    return this.finished(y, this.resultDtype(x), into, ctx)
  }

  resultDtype(x: Tensor): FloatDType {
    return x.dtype as FloatDType
  }

  backward(dy: Tensor, x: Tensor, ctx: Context, dx: InputGradient = {}): Tensor | undefined {
    if (this.trainedBias) sumRows(dy, this.trainedBias.gradient(), 1)
    if (dx.skip) return undefined
    const compute = ctx.autocast ?? this.computeDtype
    const product = this.product(dy, compute, this.weight.dtype, false, ctx, dx.into)
    return this.finished(product, x.dtype as FloatDType, dx.into, ctx)
  }

  /** The product in the caller's dtype, added to `into` if the product itself was not. */
  private finished(product: Tensor, dtype: FloatDType, into: Into, ctx: Context): Tensor {
    if (product === into) return product
    const result = this.castTo(dtype, product, ctx)
    if (!into) return result
    add(into, result, into)
    ctx.scope.free(result)
    return into
  }

  /** x @ W^T or x @ W, rounded to `compute`; added to `into` if that has the compute dtype. */
  private product(
    x: Tensor,
    compute: FloatDType,
    weightDtype: FloatDType,
    transpose: boolean,
    ctx: Context,
    into: Into,
  ): Tensor {
    const [rows, cols] = this.weight.shape
    const accumulate = into?.dtype === compute
    const out = accumulate ? into : ctx.scope.empty([x.rows, transpose ? rows : cols], compute)
    addon().matmul_4bit(
      x.handle,
      this.weight.codes.handle,
      blockMaxima(this.weight.absmax),
      out.handle,
      rows,
      cols,
      this.weight.quantType,
      this.weight.blocksize,
      transpose,
      1,
      accumulate ? 1 : 0,
      weightDtype,
      compute,
    )
    return out
  }

  private castTo(dtype: FloatDType, x: Tensor, ctx: Context, free = true): Tensor {
    if (x.dtype === dtype) return x
    const out = ctx.scope.empty(x.shape, dtype)
    copy(x, out)
    if (free) ctx.scope.free(x)
    return out
  }

  parameters(): Parameter[] {
    return this.trainedBias ? [this.trainedBias] : []
  }

  denseWeight(): Tensor {
    return dequantizeWeight(this.weight)
  }

  withWeight(weight: Tensor): Linear4bit {
    const { quantType, blocksize, absmax, dtype } = this.weight
    using rounded = this.device.empty(weight.shape, dtype)
    copy(weight, rounded)
    const options = { quant_type: quantType, blocksize, compress_statistics: isNested(absmax) }
    return new Linear4bit(this.name, quantizeWeight(rounded, options), this.computeDtype, this.bias)
  }

  disposeWeight(): void {
    disposeWeight(this.weight)
  }

  dequantizeInto(out: Tensor): void {
    dequantizeInto(this.weight, out)
  }

  productDtypes(ctx: Context): FloatDType[] {
    return [ctx.autocast ?? this.computeDtype, this.weight.dtype]
  }

  dispose(): void {
    this.disposeWeight()
    this.bias?.dispose()
    this.trainedBias?.zeroGrad()
  }
}
