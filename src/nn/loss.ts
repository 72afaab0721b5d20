import { addon } from '../native/addon'
import { fill, gatherRows, scatterRows } from '../tensor/ops'
import type { Device } from '../tensor/device'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import { withScope } from './context'
import type { LinearLayer } from './linear'

/** Rows of hidden states whose logits exist at one time: bounds the extra memory at chunk * vocab values. A GPU's products want more. */
const chunkRows = (device: Device): number => (device.isCpu ? 128 : 512)

/** Which hidden states predict what: row `rows[i]` should predict token `labels[i]`. int32 both. */
export interface Targets {
  rows: Tensor
  labels: Tensor
}

/**
 * loss = sum over targets of -log softmax(head(hidden))[label] * gradScale, without ever holding all logits: only
 * rows with a label, a chunk at a time. Returns stats float32 [4] (sum of losses, count, sum of entropies, correct
 * predictions; not scaled) and, when `withGradient`, dhidden [T, hidden] of the scaled loss. The head may be trained.
 */
export function languageModelLoss(
  hidden: Tensor,
  targets: Targets,
  head: LinearLayer,
  gradScale: number,
  ctx: Context,
  withGradient: boolean,
): { stats: Tensor; dhidden: Tensor | undefined } {
  const stats = ctx.scope.empty([4], 'float32')
  fill(stats, 0)
  const dhidden = withGradient ? ctx.scope.empty(hidden.shape, hidden.dtype) : undefined
  if (dhidden) fill(dhidden, 0)
  const total = targets.labels.numel
  const rowsAtOnce = chunkRows(hidden.device)
  for (let begin = 0; begin < total; begin += rowsAtOnce) {
    using scope = hidden.device.scope()
    const chunkCtx = withScope(ctx, scope)
    const end = Math.min(begin + rowsAtOnce, total)
    const rows = scope.add(targets.rows.slice(begin, end))
    const labels = scope.add(targets.labels.slice(begin, end))
    const chunk = scope.empty([end - begin, hidden.cols], hidden.dtype)
    gatherRows(hidden, rows, chunk)
    const logits = head.forward(chunk, chunkCtx)
    addon().cross_entropy(logits.handle, labels.handle, stats.handle, dhidden && logits.handle, gradScale)
    if (dhidden) scatterRows(head.backward(logits, chunk, chunkCtx)!, rows, dhidden)
  }
  return { stats, dhidden }
}
