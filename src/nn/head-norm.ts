import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { RMSNorm } from './rms-norm'

// RMSNorm over groups of columns, each as long as the norm's weight: for q and k [T, heads * head_dim], each
// head separately or all together.

/** Returns y, shaped like x, and rstd float32 [T * groups]. Backward needs x and rstd. */
export function normHeads(norm: RMSNorm, x: Tensor, ctx: Context): { y: Tensor; rstd: Tensor } {
  const y = ctx.scope.empty(x.shape, x.dtype)
  const shape = groups(norm, x)
  const rstd = ctx.scope.empty([shape[0]], 'float32')
  using from = x.view(shape)
  using to = y.view(shape)
  norm.normalize(from, to, rstd)
  return { y, rstd }
}

/** Overwrites dy with the gradient of x. */
export function normHeadsBackward(norm: RMSNorm, dy: Tensor, x: Tensor, rstd: Tensor): void {
  const shape = groups(norm, x)
  using gradient = dy.view(shape)
  using input = x.view(shape)
  norm.backward(gradient, input, rstd, undefined, gradient)
}

function groups(norm: RMSNorm, x: Tensor): [number, number] {
  const size = norm.weight.numel
  return [x.numel / size, size]
}
