import { addon } from '../native/addon'
import { copy, matmul } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

/**
 * What an adapter adds to a weight W [out, in]: scaling * B @ A. With DoRA each row of the sum is scaled to the
 * length given by its magnitude.
 */
export interface LayerUpdate {
  /** [r, in] */
  a: Tensor
  /** [out, r] */
  b: Tensor
  scaling: number
  /** DoRA's, [out]. */
  magnitude?: Tensor | undefined
}

/**
 * Rows of W, from row `begin` on, with their update, as a new tensor of the same dtype. The sum is computed in
 * float32 and rounded once.
 */
export function mergedRows(weight: Tensor, update: LayerUpdate, begin = 0): Tensor {
  using scope = weight.device.scope()
  const { a, b, scaling, magnitude } = update
  const { rows } = weight
  const full = scope.empty(weight.shape, 'float32')
  copy(weight, full)
  matmul(scope.add(b.slice(begin, begin + rows)), a, full, { alpha: scaling, beta: 1 })
  if (magnitude) {
    const inverse = scope.empty([rows], 'float32')
    addon().row_norm(full.handle, inverse.handle, true)
    const gain = scope.empty([1, rows], 'float32')
    const own = scope.add(magnitude.view([1, rows], begin))
    addon().scale_rows(own.handle, inverse.handle, gain.handle, true)
    addon().scale_rows(full.handle, scope.add(gain.view([rows])).handle, full.handle, false)
  }
  const out = scope.empty(weight.shape, weight.dtype)
  copy(full, out)
  return scope.keep(out)
}
