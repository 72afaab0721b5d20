import { copyColumns, sliceColumns } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { LinearLayer } from './linear'
import { project, type LowRank } from './projections'

// Some checkpoints have what reads one x as one matrix (Phi-3's qkv_proj and gate_up_proj), and adapters sit on that one: it stays one
// layer here, with the keys of checkpoint and adapter. Its result is cut into the parts that follow, and their gradients are joined again.

/** `project`, with results [T, width] for each of `widths`, also where one layer makes all of them. */
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

/** The gradients of the layers' results, from those of the parts; one that is new is in `ctx.scope`. */
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
