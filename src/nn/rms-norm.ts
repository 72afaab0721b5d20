import { addon } from '../native/addon'
import { scaled } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'

/** Properties of a norm in which model families differ. */
export interface NormTraits {
  /** Factor of the result. Default: 1. */
  scale?: number | undefined
  /** Added to the weight. Default: 0. */
  offset?: number | undefined
  /**
   * Whether the normalized value is rounded to x's dtype before it is multiplied by the weight, or only the
   * product is. Default: yes.
   */
  roundsFirst?: boolean | undefined
}

/**
 * y = x / sqrt(mean(x^2) + eps) * (weight + offset) * scale over the last axis. Statistics are in fp32;
 * roundings are those of the family's norm in Hugging Face's code. The weight is frozen.
 */
export class RMSNorm {
  readonly scale: number
  readonly offset: number
  readonly roundsFirst: boolean

  constructor(
    readonly name: string,
    readonly weight: Tensor,
    readonly eps: number,
    { scale = 1, offset = 0, roundsFirst = true }: NormTraits = {},
  ) {
    this.scale = scale
    this.offset = offset
    this.roundsFirst = roundsFirst
  }

  /** Returns y and rstd float32 [T]; backward needs x and rstd. */
  forward(x: Tensor, ctx: Context): { y: Tensor; rstd: Tensor } {
    const y = ctx.scope.empty(x.shape, x.dtype)
    const rstd = ctx.scope.empty([x.rows], 'float32')
    this.normalize(x, y, rstd)
    const out = scaled(y, this.scale, ctx.scope)
    if (out !== y) ctx.scope.free(y)
    return { y: out, rstd }
  }

  /** Writes y and rstd, without `scale`. */
  normalize(x: Tensor, y: Tensor, rstd: Tensor): void {
    const { weight, eps, offset, roundsFirst } = this
    addon().rms_norm_forward(x.handle, weight.handle, y.handle, rstd.handle, eps, offset, roundsFirst)
  }

  /** Writes dx = residual + J^T dy; `dx` may be `residual` or `dy`. */
  backward(dy: Tensor, x: Tensor, rstd: Tensor, residual: Tensor | undefined, dx: Tensor): void {
    using scope = dy.device.scope()
    addon().rms_norm_backward(
      scaled(dy, this.scale, scope).handle,
      x.handle,
      this.weight.handle,
      rstd.handle,
      residual?.handle,
      dx.handle,
      undefined,
      this.offset,
    )
  }

  dispose(): void {
    this.weight.dispose()
  }
}
