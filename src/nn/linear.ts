import type { Device } from '../tensor/device'
import type { DType, FloatDType } from '../tensor/dtype'
import { addBias, copy, matmul, sumRows } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { Parameter } from './parameter'
import type { TrainedRows } from './trained-rows'

/** A tensor to which a layer adds its result, in place of making a new one. */
export type Into = Tensor | undefined

/** How a backward returns the gradient of its input. */
export interface InputGradient {
  /** Add to this tensor instead of making a new one. */
  into?: Into
  /** No layer below needs it: skip the product and return undefined. */
  skip?: boolean
}

/**
 * A layer x [T, in] -> y [T, out]. It saves nothing between forward and backward: the caller of backward has
 * kept x or recomputed it.
 */
export interface LinearLayer {
  /** Module path as in the checkpoint, e.g. `model.layers.0.self_attn.q_proj`. */
  readonly name: string
  readonly inFeatures: number
  readonly outFeatures: number
  /** y in `ctx.scope`, with x's dtype; with autocast's, if the layer is not quantized. */
  forward(x: Tensor, ctx: Context): Tensor
  /** Accumulates parameter gradients from dy [T, out]; returns dx = dy @ W [T, in] in x's dtype. */
  backward(dy: Tensor, x: Tensor, ctx: Context, dx?: InputGradient): Tensor | undefined
  readonly device: Device
  /** [out], in the model's dtype. */
  bias?: Tensor | undefined
  /** Set when the bias is trained; its data is `bias` itself. */
  trainedBias?: Parameter | undefined
  parameters(): Parameter[]
  /** false: backward only uses the shape and dtype of x. Default: true. */
  readonly backwardNeedsInput?: boolean
  /**
   * What forward depends on in addition to its tensors. When it changes, a recorded pass is recorded again.
   * Default: nothing.
   */
  readonly forwardKey?: unknown
  dispose(): void
}

/** A layer that can be the base of an adapter. */
export interface BaseLayer extends LinearLayer {
  /** Like LinearLayer's. With `into` [T, out] of the result's dtype, y is added to it, and it is returned. */
  forward(x: Tensor, ctx: Context, into?: Into): Tensor
  /** The dtype of forward's result. */
  resultDtype(x: Tensor, ctx: Context): FloatDType
  /** The weight as a new [out, in] tensor of `weightDtype`. */
  denseWeight(): Tensor
  /**
   * A layer like this one with another weight [out, in], rounded to this one's dtype and quantized as it is. The bias is shared, the
   * tensor given stays the caller's.
   */
  withWeight(weight: Tensor): BaseLayer
  /** Frees the weight, and not the bias, which a layer with another weight may share. */
  disposeWeight(): void
  /** The dtype of the weight before quantization. */
  readonly weightDtype: FloatDType
  /** Bytes of the weight as it is stored. */
  readonly weightBytes: number
  /** The class name that transformers prints: `Linear`, `Linear4bit`. */
  readonly className: string
  /** Quantized layers only: writes the weight into `out` [out, in or wider]; further columns become 0. */
  dequantizeInto?(out: Tensor): void
  /** Quantized layers only: the dtypes to which the products of forward and backward round. */
  productDtypes?(ctx: Context): FloatDType[]
}

/** y = x @ weight^T + bias, weight [out, in]. Frozen unless `trainedWeight`, `trainedRows` or `trainedBias` is set. */
export class Linear implements BaseLayer {
  readonly className: string = 'Linear'
  trainedWeight: Parameter | undefined
  /** Of a head: rows of the weight that train. A tied embedding has the same. */
  trainedRows: TrainedRows | undefined
  trainedBias: Parameter | undefined

  constructor(
    readonly name: string,
    readonly weight: Tensor,
    readonly bias?: Tensor | undefined,
  ) {}

  get device(): Device {
    return this.weight.device
  }

  get weightDtype(): FloatDType {
    return this.weight.dtype as FloatDType
  }

  get weightBytes(): number {
    return this.weight.nbytes
  }

  get backwardNeedsInput(): boolean {
    return this.trainedWeight !== undefined || this.trainedRows !== undefined
  }

  get forwardKey(): unknown {
    return this.trainedRows
  }

  get inFeatures(): number {
    return this.weight.shape[1]!
  }

  get outFeatures(): number {
    return this.weight.shape[0]!
  }

  forward(x: Tensor, ctx: Context, into?: Into): Tensor {
    this.trainedRows?.write(ctx.scope)
    const dtype = this.resultDtype(x, ctx)
    const y = into ?? ctx.scope.empty([x.rows, this.outFeatures], dtype)
    matmul(x, this.weight, y, { transposeB: true, beta: into ? 1 : 0, operand: dtype })
    if (this.bias) addBias(y, this.bias, y)
    return y
  }

  resultDtype(x: Tensor, ctx: Context): FloatDType {
    return ctx.autocast ?? (x.dtype as FloatDType)
  }

  backward(dy: Tensor, x: Tensor, ctx: Context, dx: InputGradient = {}): Tensor | undefined {
    const operand = ctx.autocast ?? (x.dtype as FloatDType)
    if (this.trainedWeight)
      matmul(dy, x, this.trainedWeight.gradient(), { transposeA: true, beta: 1, operand })
    this.trainedRows?.addProduct(dy, x, operand)
    if (this.trainedBias) sumRows(dy, this.trainedBias.gradient(), 1)
    if (dx.skip) return undefined
    const out = dx.into ?? ctx.scope.empty([x.rows, this.inFeatures], x.dtype)
    matmul(dy, this.weight, out, { beta: dx.into ? 1 : 0, operand })
    return out
  }

  parameters(): Parameter[] {
    return [this.trainedWeight, this.trainedBias].filter((p) => p !== undefined)
  }

  denseWeight(): Tensor {
    return copyOf(this.weight, this.weight.dtype)
  }

  withWeight(weight: Tensor): Linear {
    return new Linear(this.name, copyOf(weight, this.weight.dtype), this.bias)
  }

  disposeWeight(): void {
    this.weight.dispose()
  }

  dispose(): void {
    this.disposeWeight()
    this.bias?.dispose()
    for (const p of this.parameters()) p.zeroGrad()
  }
}

function copyOf(tensor: Tensor, dtype: DType): Tensor {
  const out = tensor.device.empty(tensor.shape, dtype)
  copy(tensor, out)
  return out
}
