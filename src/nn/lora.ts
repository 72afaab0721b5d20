import { addon } from '../native/addon'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { add, matmul } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { BaseLayer, InputGradient, LinearLayer } from './linear'
import type { LayerUpdate } from './merged-rows'
import type { Parameter } from './parameter'
import type { ParameterStack } from './parameter-stack'

export interface LoraSettings {
  /** alpha / r, or alpha / sqrt(r) with rank stabilization (use_rslora). */
  scaling: number
  dropout: number
  /** Distinguishes the dropout masks of the model's layers. */
  stream: number
}

/**
 * y = base(x) + scaling * (dropout(x) @ A^T) @ B^T, A [r, in], B [out, r] (Hu et al. 2021). The code is the
 * same for a quantized and a full base. The adapter computes in its own dtype, or autocast's.
 *
 * Forward and backward are also available in parts, so that layers that read the same x can share products
 * (nn/projections): `down` = A @ dropout(x)^T [r, T] is computed by forward and used again by backward.
 */
export class LoraLinear implements LinearLayer {
  constructor(
    readonly base: BaseLayer,
    readonly lora_A: Parameter,
    readonly lora_B: Parameter,
    readonly settings: LoraSettings,
    /** The stack that contains lora_A, if other layers with the same input have adapters too. */
    readonly stack?: ParameterStack | undefined,
  ) {}

  /** false: only the base is used (PEFT's disable_adapter). */
  enabled = true

  /** Whether this layer is only `down`, `up` and their gradients, so that other layers may share its products. */
  get runsInParts(): boolean {
    return this.enabled
  }

  get forwardKey(): unknown {
    return this.enabled
  }

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
    if (!this.enabled) return this.base.forward(x, ctx)
    const down = this.down(x, ctx)
    const y = this.base.forward(x, ctx, this.up(down, x, ctx))
    ctx.scope.free(down)
    return y
  }

  backward(dy: Tensor, x: Tensor, ctx: Context, dx: InputGradient = {}): Tensor | undefined {
    const down = this.down(x, ctx)
    const ddown = this.backwardUp(dy, down, ctx)
    ctx.scope.free(down)
    this.backwardDown(ddown, x, ctx)
    const out = this.backwardInput(dy, ddown, x, ctx, dx)
    ctx.scope.free(ddown)
    return out
  }

  /** A @ dropout(x)^T [r, T] */
  down(x: Tensor, ctx: Context): Tensor {
    const operand = this.operand(ctx)
    const dropped = this.dropped(x, ctx)
    const down = ctx.scope.empty([this.lora_A.data.rows, x.rows], operand)
    matmul(this.lora_A.data, dropped, down, { transposeB: true, operand })
    if (dropped !== x) ctx.scope.free(dropped)
    return down
  }

  /** scaling * B @ `down` [T, out], to which the base adds its product. */
  up(down: Tensor, x: Tensor, ctx: Context): Tensor {
    const { scaling } = this.settings
    const operand = this.operand(ctx)
    const y = ctx.scope.empty([x.rows, this.outFeatures], this.base.resultDtype(x, ctx))
    matmul(down, this.lora_B.data, y, { transposeA: true, transposeB: true, alpha: scaling, operand })
    return y
  }

  /** Accumulates B's gradient. Returns the gradient of `down` [r, T], in `out` if given. */
  backwardUp(dy: Tensor, down: Tensor, ctx: Context, out?: Tensor): Tensor {
    const operand = this.operand(ctx)
    const { scaling } = this.settings
    const ddown = out ?? ctx.scope.empty(down.shape, down.dtype)
    matmul(dy, down, this.lora_B.gradient(), {
      transposeA: true,
      transposeB: true,
      alpha: scaling,
      beta: 1,
      operand,
    })
    matmul(this.lora_B.data, dy, ddown, { transposeA: true, transposeB: true, alpha: scaling, operand })
    return ddown
  }

  /** Accumulates A's gradient. */
  backwardDown(ddown: Tensor, x: Tensor, ctx: Context): void {
    const dropped = this.dropped(x, ctx)
    matmul(ddown, dropped, this.lora_A.gradient(), { beta: 1, operand: this.operand(ctx) })
    if (dropped !== x) ctx.scope.free(dropped)
  }

  /** The gradient of x: that of the adapter plus that of the base. Only x's shape and dtype are used. */
  backwardInput(
    dy: Tensor,
    ddown: Tensor,
    x: Tensor,
    ctx: Context,
    { skip, into }: InputGradient = {},
  ): Tensor | undefined {
    if (skip) return this.base.backward(dy, x, ctx, { skip })
    const drops = this.drops(ctx)
    const direct = into && !drops
    const part = direct ? into : ctx.scope.empty([dy.rows, this.inFeatures], x.dtype)
    matmul(ddown, this.lora_A.data, part, {
      transposeA: true,
      beta: direct ? 1 : 0,
      operand: this.operand(ctx),
    })
    if (drops) this.mask(part, part, ctx)
    if (into && drops) {
      add(into, part, into)
      ctx.scope.free(part)
    }
    return this.base.backward(dy, x, ctx, { into: into ?? part })
  }

  /** The dtype to which the adapter's products round their operands. */
  operand(ctx: Context): FloatDType {
    return ctx.autocast ?? (this.lora_A.data.dtype as FloatDType)
  }

  /** Whether dropout is applied to the adapter's input in this pass. */
  drops(ctx: Context): boolean {
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

  /** The adapter's parameters, without the base's. */
  ownParameters(): Parameter[] {
    return [this.lora_A, this.lora_B]
  }

  /** What the adapter adds to the base's weight. */
  get update(): LayerUpdate {
    return { a: this.lora_A.data, b: this.lora_B.data, scaling: this.settings.scaling }
  }

  dispose(): void {
    this.base.dispose()
    for (const p of this.ownParameters()) p.dispose()
  }
}

/**
 * The layer itself, or the base of the adapter on it. Undefined for a layer of the user's own, which has no
 * weight to read.
 */
export function baseLayer(layer: LinearLayer): BaseLayer | undefined {
  const base = layer instanceof LoraLinear ? layer.base : layer
  return 'denseWeight' in base ? (base as BaseLayer) : undefined
}
