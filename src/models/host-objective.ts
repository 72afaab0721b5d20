import { languageModelLoss } from '../nn/loss'
import type { Context } from '../nn/context'
import type { Tensor } from '../tensor/tensor'
import type { DeviceBatch } from './batch'
import type { CausalLM } from './causal-lm'
import { checkResult, type CheckedResult, type HostObjective, type ObjectiveBatch } from './objective'

// A loss on the host needs the head twice: once for the log-probabilities, and once for the gradient, with the
// derivative that the loss returned as weights of the rows, since d loss / d logits = -dlogps * (softmax -
// onehot). The layers run once.

/** Results of the head for each target; tensors in ctx.scope. */
export interface Observed {
  stats: Tensor
  logps: Tensor
  entropies: Tensor | undefined
}

/** Enqueues the head over the final hidden states. */
export function observeTargets(
  model: CausalLM,
  hidden: Tensor,
  { targets, numTargets }: DeviceBatch,
  ctx: Context,
  wantsEntropies: boolean,
): Observed {
  const logps = ctx.scope.empty([numTargets])
  const entropies = wantsEntropies ? ctx.scope.empty([numTargets]) : undefined
  const { stats } = languageModelLoss(hidden, targets, model.parts, ctx, { logps, entropies })
  return { stats, logps, entropies }
}

/** Waits for the log-probabilities and calls the objective. */
export async function askObjective(
  { loss, entropies: wantsEntropies }: HostObjective,
  view: ObjectiveBatch,
  observed: Observed,
  ctx: Context,
): Promise<CheckedResult> {
  const logps = Float32Array.from(await observed.logps.data())
  const entropies = wantsEntropies ? Float32Array.from(await observed.entropies!.data()) : undefined
  freeObserved(observed, ctx)
  return checkResult(await loss(logps, entropies ? { ...view, entropies } : view), logps)
}

export function freeObserved({ logps, entropies }: Observed, ctx: Context): void {
  ctx.scope.free(logps)
  if (entropies) ctx.scope.free(entropies)
}

/** Runs the head again; returns dhidden of a loss with these derivatives, -dlogps, float32 [targets]. */
export function deriveTargets(
  model: CausalLM,
  hidden: Tensor,
  { targets }: DeviceBatch,
  weights: Tensor,
  ctx: Context,
): Tensor {
  const { stats, dhidden } = languageModelLoss(hidden, targets, model.parts, ctx, {
    weights,
    gradScale: 1,
  })
  ctx.scope.free(stats)
  ctx.scope.free(weights)
  return dhidden!
}
