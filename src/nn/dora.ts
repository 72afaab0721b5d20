import { addon } from '../native/addon'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { copy, dotColumns, matmul, scaleColumns } from '../tensor/ops'
import type { Scope } from '../tensor/scope'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { BaseLayer, InputGradient } from './linear'
import { LoraLinear, type LoraSettings } from './lora'
import type { LayerUpdate } from './merged-rows'
import { Parameter } from './parameter'

/**
 * DoRA (Liu et al. 2024): y = g * lora(x) with g[j] = magnitude[j] / norm_j(W + scaling * B @ A), the norm over
 * a row. As in PEFT, the norm is a constant for the gradient, and each forward recomputes it. The bias is not
 * multiplied by g.
 */
export class DoraLinear extends LoraLinear {
  constructor(
    base: BaseLayer,
    lora_A: Parameter,
    lora_B: Parameter,
    settings: LoraSettings,
    /** float [out] */
    readonly magnitude: Parameter,
  ) {
    super(base, lora_A, lora_B, settings)
  }

  /** @throws Error on settings that this layer does not support. */
  static check(base: BaseLayer, settings: LoraSettings): void {
    if (base.bias)
      throw new TypeError(`[LoraConfig] use_dora: '${base.name}' has a bias; it works on layers without one`)
    if (settings.dropout > 0)
      throw new TypeError(`[LoraConfig] use_dora needs lora_dropout 0, got ${settings.dropout}`)
  }

  /** The magnitude starts as the norm itself, so y starts equal to the LoRA layer's. */
  static create(
    base: BaseLayer,
    lora_A: Parameter,
    lora_B: Parameter,
    settings: LoraSettings,
    key: string,
  ): DoraLinear {
    const magnitude = new Parameter(key, base.device.empty([base.outFeatures], lora_A.data.dtype))
    const layer = new DoraLinear(base, lora_A, lora_B, settings, magnitude)
    const norm = layer.weightNorm(base.device, false)
    copy(norm, magnitude.data)
    norm.dispose()
    return layer
  }

  override get runsInParts(): boolean {
    return false
  }

  override forward(x: Tensor, ctx: Context): Tensor {
    const y = super.forward(x, ctx)
    if (!this.enabled) return y
    const inverse = ctx.scope.add(this.weightNorm(ctx.scope.device, true))
    scaleColumns(y, this.gain(inverse, ctx.scope), y)
    return y
  }

  override backward(dy: Tensor, x: Tensor, ctx: Context, dx: InputGradient = {}): Tensor | undefined {
    const plain = super.forward(x, ctx)
    const perRow = ctx.scope.empty([this.outFeatures], 'float32')
    dotColumns(dy, plain, perRow)
    ctx.scope.free(plain)
    const inverse = ctx.scope.add(this.weightNorm(ctx.scope.device, true))
    const [row, inv] = [perRow, inverse].map((t) => ctx.scope.add(t.view([1, this.outFeatures])))
    dotColumns(row!, inv!, this.magnitude.gradient(), 1)
    const scaled = ctx.scope.empty(dy.shape, dy.dtype)
    scaleColumns(dy, this.gain(inverse, ctx.scope), scaled)
    return super.backward(scaled, x, ctx, dx)
  }

  /** magnitude / norm, float32 [out] */
  private gain(inverse: Tensor, scope: Scope): Tensor {
    const gain = scope.empty([1, this.outFeatures], 'float32')
    const magnitude = scope.add(this.magnitude.data.view([1, this.outFeatures]))
    scaleColumns(magnitude, inverse, gain)
    return scope.add(gain.view([this.outFeatures]))
  }

  /**
   * Row norms of base weight + scaling * B @ A, or their reciprocals; float32 [out]. The caller owns the
   * result.
   */
  private weightNorm(device: Device, inverse: boolean): Tensor {
    using scope = device.scope()
    const dense = scope.add(this.base.denseWeight())
    const weight = scope.empty(dense.shape, 'float32')
    copy(dense, weight)
    matmul(this.lora_B.data, this.lora_A.data, weight, {
      alpha: this.settings.scaling,
      beta: 1,
      operand: this.lora_A.data.dtype as FloatDType,
    })
    const norm = scope.empty([this.outFeatures], 'float32')
    addon().row_norm(weight.handle, norm.handle, inverse)
    return scope.keep(norm)
  }

  override get update(): LayerUpdate {
    return { ...super.update, magnitude: this.magnitude.data }
  }

  override ownParameters(): Parameter[] {
    return [...super.ownParameters(), this.magnitude]
  }
}
