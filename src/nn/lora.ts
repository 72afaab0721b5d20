import { addon } from '../native/addon'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { add, matmul } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import { Linear, type BaseLayer, type InputGradient, type LinearLayer } from './linear'
import type { Parameter } from './parameter'

export interface LoraSettings {
  /** alpha / r, or alpha / sqrt(r) with rank stabilisation. */
  scaling: number
  dropout: number
  /** Tells the dropout masks of the model's layers apart. */
  stream: number
}

/**
 * y = base(x) + scaling * (dropout(x) @ A^T) @ B^T, A [r, in], B [out, r] (Hu et al. 2021). It holds its base and does
 * not ask whether that is quantized. The adapter works in its own dtype, or autocast's.
 */
export class LoraLinear implements LinearLayer {
  constructor(
    readonly base: BaseLayer,
    readonly lora_A: Parameter,
    readonly lora_B: Parameter,
    readonly settings: LoraSettings,
  ) {}

  /** false = the base alone answers (PEFT's disable_adapter). */
  enabled = true

  trainedBias: undefined

  get device(): Device {
    return this.base.device
  }

  get name(): string {
    return this.base.name
  }

  get inFeatures(): number {
    return this.base.inFeatures
  }

  get outFeatures(): number {
    return this.base.outFeatures
  }

  forward(x: Tensor, ctx: Context): Tensor {
    const y = this.base.forward(x, ctx)
    if (!this.enabled) return y
    const operand = this.operand(ctx)
    const dropped = this.dropped(x, ctx)
    const xa = this.project(dropped, operand, ctx)
    if (dropped !== x) ctx.scope.free(dropped)
    matmul(xa, this.lora_B.data, y, { transposeB: true, alpha: this.settings.scaling, beta: 1, operand })
    ctx.scope.free(xa)
    return y
  }

  backward(dy: Tensor, x: Tensor, ctx: Context, dx: InputGradient = {}): Tensor | undefined {
    const operand = this.operand(ctx)
    const { scaling } = this.settings
    const dropped = this.dropped(x, ctx)
    const xa = this.project(dropped, operand, ctx)
    matmul(dy, xa, this.lora_B.gradient(), { transposeA: true, alpha: scaling, beta: 1, operand })
    const dxa = ctx.scope.empty(xa.shape, xa.dtype)
    matmul(dy, this.lora_B.data, dxa, { alpha: scaling, operand })
    matmul(dxa, dropped, this.lora_A.gradient(), { transposeA: true, beta: 1, operand })
    ctx.scope.free(xa)
    if (dropped !== x) ctx.scope.free(dropped)
    const out = this.base.backward(dy, x, ctx, dx)
    if (out) this.addInputGradient(dxa, out, operand, ctx)
    ctx.scope.free(dxa)
    return out
  }

  /** out += mask * (dxa @ A) */
  private addInputGradient(dxa: Tensor, out: Tensor, operand: FloatDType, ctx: Context): void {
    if (!this.drops(ctx)) return matmul(dxa, this.lora_A.data, out, { beta: 1, operand })
    const part = ctx.scope.empty(out.shape, out.dtype)
    matmul(dxa, this.lora_A.data, part, { operand })
    this.mask(part, part, ctx)
    add(out, part, out)
    ctx.scope.free(part)
  }

  /** x @ A^T [T, r] */
  private project(x: Tensor, operand: FloatDType, ctx: Context): Tensor {
    const xa = ctx.scope.empty([x.rows, this.lora_A.data.shape[0]!], operand)
    matmul(x, this.lora_A.data, xa, { transposeB: true, operand })
    return xa
  }

  private operand(ctx: Context): FloatDType {
    return ctx.autocast ?? (this.lora_A.data.dtype as FloatDType)
  }

  private drops(ctx: Context): boolean {
    return ctx.dropout !== undefined && this.settings.dropout > 0
  }

  private dropped(x: Tensor, ctx: Context): Tensor {
    if (!this.drops(ctx)) return x
    const out = ctx.scope.empty(x.shape, x.dtype)
    this.mask(x, out, ctx)
    return out
  }

  private mask(x: Tensor, out: Tensor, ctx: Context): void {
    const { seed, microstep } = ctx.dropout!
    addon().dropout(x.handle, out.handle, this.settings.dropout, seed, this.settings.stream, microstep)
  }

  parameters(): Parameter[] {
    return [...this.ownParameters(), ...this.base.parameters()]
  }

  /** The adapter's parameters without the base's. */
  ownParameters(): Parameter[] {
    return [this.lora_A, this.lora_B]
  }

  /** @throws Error when the base is quantized: rounding the sum to 4 bits again would lose most of the update. */
  checkMergeable(): void {
    if (this.base instanceof Linear) return
    throw new Error(
      `'${this.name}' is quantized; load the base model without quantization_config to merge into it`,
    )
  }

  /** Adds scaling * B @ A to the base's weight, which must be mergeable, for good; the layer itself is of no more use then. */
  merge(): void {
    const { weight } = this.base as Linear
    matmul(this.lora_B.data, this.lora_A.data, weight, { alpha: this.settings.scaling, beta: 1 })
  }

  dispose(): void {
    this.base.dispose()
    for (const p of this.ownParameters()) p.dispose()
  }
}
