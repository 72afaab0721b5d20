import { addon } from '../native/addon'
import {
  dequantizeWeight8bit,
  disposeWeight8bit,
  quantizeWeight8bit,
  type Weight8bit,
} from '../quantization/weight-8bit'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { addBias, copy, sumRows } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { BaseLayer, InputGradient, Into } from './linear'
import type { Parameter } from './parameter'

/**
 * y = x @ W^T + bias with W in 8 bits, as bitsandbytes' Linear8bitLt. By LLM.int8: x in 8 bits too, row by row, but for the columns with
 * a value of `threshold` or more, which stay in x's dtype. In training on a CPU, where bitsandbytes does not quantize x either, the
 * product is one with the dequantized weight; so is backward on every device. The weight is frozen.
 */
export class Linear8bit implements BaseLayer {
  trainedBias: Parameter | undefined
  readonly className: string = 'Linear8bitLt'
  readonly backwardNeedsInput: boolean = false

  constructor(
    readonly name: string,
    readonly weight: Weight8bit,
    /** 0: no column is left out. */
    readonly threshold: number,
    readonly bias?: Tensor | undefined,
  ) {}

  get device(): Device {
    return this.weight.codes.device
  }

  get weightDtype(): FloatDType {
    return this.weight.dtype
  }

  get weightBytes(): number {
    return this.weight.codes.nbytes + this.weight.maxima.nbytes
  }

  get outFeatures(): number {
    return this.weight.shape[0]
  }

  get inFeatures(): number {
    return this.weight.shape[1]
  }

  forward(x: Tensor, ctx: Context, into?: Into): Tensor {
    const y = into ?? ctx.scope.empty([x.rows, this.outFeatures], x.dtype)
    const beta = into ? 1 : 0
    if (ctx.training && this.device.isCpu) {
      this.product(x, y, true, beta, ctx)
      if (this.bias) addBias(y, this.bias, y)
      return y
    }
    const { codes, maxima } = this.weight
    addon().matmul_llm_int8(
      x.handle,
      codes.handle,
      maxima.handle,
      this.bias?.handle,
      y.handle,
      this.threshold,
      beta,
    )
    return y
  }

  resultDtype(x: Tensor): FloatDType {
    return x.dtype as FloatDType
  }

  backward(dy: Tensor, x: Tensor, ctx: Context, dx: InputGradient = {}): Tensor | undefined {
    if (this.trainedBias) sumRows(dy, this.trainedBias.gradient(), 1)
    if (dx.skip) return undefined
    const out = dx.into ?? ctx.scope.empty([dy.rows, this.inFeatures], x.dtype)
    this.product(dy, out, false, dx.into ? 1 : 0, ctx)
    return out
  }

  /** x @ W^T or x @ W with the dequantized weight. */
  private product(x: Tensor, out: Tensor, transpose: boolean, beta: number, ctx: Context): void {
    const { codes, maxima } = this.weight
    const operand = ctx.autocast ?? (out.dtype as FloatDType)
    addon().matmul_8bit(x.handle, codes.handle, maxima.handle, out.handle, transpose, 1, beta, operand)
  }

  parameters(): Parameter[] {
    return this.trainedBias ? [this.trainedBias] : []
  }

  denseWeight(): Tensor {
    return dequantizeWeight8bit(this.weight)
  }

  withWeight(weight: Tensor): Linear8bit {
    using rounded = this.device.empty(weight.shape, this.weightDtype)
    copy(weight, rounded)
    return new Linear8bit(this.name, quantizeWeight8bit(rounded), this.threshold, this.bias)
  }

  disposeWeight(): void {
    disposeWeight8bit(this.weight)
  }

  dispose(): void {
    this.disposeWeight()
    this.bias?.dispose()
    this.trainedBias?.zeroGrad()
  }
}
