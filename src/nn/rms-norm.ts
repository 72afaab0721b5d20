import { addon } from '../native/addon'
import { scaled } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'

/**
 * y = x / sqrt(mean(x^2) + eps) * weight * scale over the last axis; statistics in fp32, the normalized value rounded to x's
 * dtype before the weight, as Hugging Face does. The weight is frozen.
 */
export class RMSNorm {
  constructor(
    readonly name: string,
    readonly weight: Tensor,
    readonly eps: number,
    readonly scale: number = 1,
  ) {}

  /** Returns y and rstd float32 [T]; backward needs x and rstd. */
  forward(x: Tensor, ctx: Context): { y: Tensor; rstd: Tensor } {
    const y = ctx.scope.empty(x.shape, x.dtype)
    const rstd = ctx.scope.empty([x.rows], 'float32')
    addon().rms_norm_forward(x.handle, this.weight.handle, y.handle, rstd.handle, this.eps)
    return { y: scaled(y, this.scale, ctx.scope), rstd }
  }

  /** dx = residual + J^T dy, written into `dx`, which may be `residual` or `dy`. */
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
    )
  }

  dispose(): void {
    this.weight.dispose()
  }
}
