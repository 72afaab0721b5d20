import { addon } from '../native/addon'
import { fill, gatherRows, scatterRows, softcap } from '../tensor/ops'
import type { Device } from '../tensor/device'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import { withScope } from './context'
import type { LinearLayer } from './linear'

/**
 * Rows of hidden states whose logits exist at one time: the extra memory is chunk * vocab values. A GPU's
 * products need more rows.
 */
const chunkRows = (device: Device): number => (device.isCpu ? 128 : 512)

/** The modules that compute logits from hidden states. */
export interface OutputHead {
  lm_head: LinearLayer
  /** Logits become logitSoftcap * tanh(logits / logitSoftcap). Default: no cap. */
  logitSoftcap?: number | undefined
}

/** Logits [n, vocab] of hidden states [n, hidden]. */
export function logitsOf(
  hidden: Tensor,
  { lm_head: head, logitSoftcap: cap = 0 }: OutputHead,
  ctx: Context,
): Tensor {
  const logits = head.forward(hidden, ctx)
  if (cap > 0) softcap(logits, cap)
  return logits
}

/** The predicted tokens: row `rows[i]` of the hidden states should predict token `labels[i]`. Both int32. */
export interface Targets {
  rows: Tensor
  labels: Tensor
}

/** How the loss of a token is computed from its logits: `cross_entropy` in native/core/ops.inc. */
export interface TokenLoss {
  /** float32, one per target. Default: all 1. */
  weights?: Tensor | undefined
  /** 0 to 1. Default 0. */
  labelSmoothing?: number | undefined
  /** Multiplies each loss by the token's probability, which is a constant for the gradient. Default false. */
  byProbability?: boolean | undefined
}

export interface LossRequest extends TokenLoss {
  /** `dhidden` is the gradient of this times the loss. Undefined: no gradient. */
  gradScale?: number | undefined
  /** float32, one per target; overwritten with log p(label). */
  logps?: Tensor | undefined
  /** float32, one per target; overwritten with the entropy of the prediction. */
  entropies?: Tensor | undefined
}

/** Overwrites ids int32 [T] with the argmax of head(hidden), chunk by chunk; logits do not leave the device. */
export function predictIds(hidden: Tensor, head: OutputHead, ids: Tensor, ctx: Context): void {
  const rowsAtOnce = chunkRows(hidden.device)
  for (let begin = 0; begin < hidden.rows; begin += rowsAtOnce) {
    using scope = hidden.device.scope()
    const end = Math.min(begin + rowsAtOnce, hidden.rows)
    const logits = logitsOf(scope.add(hidden.slice(begin, end)), head, withScope(ctx, scope))
    addon().argmax_rows(logits.handle, scope.add(ids.slice(begin, end)).handle)
  }
}

/**
 * The sum of the targets' losses, by default -log softmax(head(hidden))[label]. Only rows with a label are
 * computed, one chunk at a time, so all logits never exist at once. Returns stats float32 [4] (sum of losses,
 * count, sum of entropies, correct predictions; unscaled) and, with `gradScale`, dhidden [T, hidden]. The head
 * may be trained.
 */
export function languageModelLoss(
  hidden: Tensor,
  targets: Targets,
  head: OutputHead,
  ctx: Context,
  request: LossRequest = {},
): { stats: Tensor; dhidden: Tensor | undefined } {
  const { weights, logps, entropies, gradScale, labelSmoothing = 0, byProbability = false } = request
  const stats = ctx.scope.empty([4], 'float32')
  fill(stats, 0)
  const dhidden = gradScale === undefined ? undefined : ctx.scope.empty(hidden.shape, hidden.dtype)
  if (dhidden) fill(dhidden, 0)
  const total = targets.labels.numel
  const rowsAtOnce = chunkRows(hidden.device)
  for (let begin = 0; begin < total; begin += rowsAtOnce) {
    using scope = hidden.device.scope()
    const chunkCtx = withScope(ctx, scope)
    const end = Math.min(begin + rowsAtOnce, total)
    const part = (t: Tensor | undefined): Tensor | undefined => t && scope.add(t.slice(begin, end))
    const rows = part(targets.rows)!
    const labels = part(targets.labels)!
    const chunk = scope.empty([end - begin, hidden.cols], hidden.dtype)
    gatherRows(hidden, rows, chunk)
    const logits = logitsOf(chunk, head, chunkCtx)
    addon().cross_entropy(
      logits.handle,
      labels.handle,
      part(weights)?.handle,
      stats.handle,
      part(logps)?.handle,
      part(entropies)?.handle,
      dhidden && logits.handle,
      gradScale ?? 1,
      labelSmoothing,
      byProbability,
      head.logitSoftcap ?? 0,
    )
    if (dhidden) scatterRows(head.lm_head.backward(logits, chunk, chunkCtx)!, rows, dhidden)
  }
  return { stats, dhidden }
}
