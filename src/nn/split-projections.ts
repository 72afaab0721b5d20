import { copyColumns, sliceColumns } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { LinearLayer } from './linear'
import { project, type LowRank } from './projections'

// Some checkpoints store all matrices that read one x as one (Phi-3's qkv_proj and gate_up_proj), and adapters
// belong to that one. It stays one layer here, with the checkpoint's keys. Its result is split into parts, and
// their gradients are joined again.

/** Like `project`, with results [T, width] for each of `widths`, even if one layer computes all of them. */
export function projectParts(
  layers: readonly LinearLayer[],
  widths: readonly number[],
  x: Tensor,
  ctx: Context,
): { ys: Tensor[]; lowRank: LowRank } {
  const { ys, lowRank } = project(layers, x, ctx)
  if (ys.length === widths.length) return { ys, lowRank }
  const joined = ys[0]!
  let column = 0
  const parts = widths.map((width) => {
    const part = ctx.scope.empty([x.rows, width], joined.dtype)
    sliceColumns(joined, part, column)
    column += width
    return part
  })
  ctx.scope.free(joined)
  return { ys: parts, lowRank }
}

/** The gradients of the layers' results, joined from those of the parts. A new tensor is in `ctx.scope`. */
export function joinParts(layers: readonly LinearLayer[], dys: readonly Tensor[], ctx: Context): Tensor[] {
  if (layers.length === dys.length) return [...dys]
  const width = dys.reduce((n, { cols }) => n + cols, 0)
  const joined = ctx.scope.empty([dys[0]!.rows, width], dys[0]!.dtype)
  let column = 0
  for (const dy of dys) {
    copyColumns(dy, joined, column)
    column += dy.cols
  }
  return [joined]
}
