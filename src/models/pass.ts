import { keepInput, keepProducts, uniformPlan, type MemoryPlan } from './memory-plan'
import type { Context, DropoutState } from '../nn/context'
import { languageModelLoss } from '../nn/loss'
import type { FloatDType } from '../tensor/dtype'
import type { Scope } from '../tensor/scope'
import type { Tensor } from '../tensor/tensor'
import { alignBatch, sizeOf, toDevice, type DeviceBatch, type PackedBatch } from './batch'
import type { CausalLM } from './causal-lm'
import { backwardLayers, forwardLayers } from './layers-pass'
import { isPacked, packInputs, type ModelInputs } from './padding'

export interface PassOptions {
  autocast?: FloatDType | undefined
  dropout?: DropoutState | undefined
  /** Same bits each time, where a GPU may be faster without. Default: false. */
  deterministic?: boolean | undefined
  /** The loss is sum / numItems. Default: this batch's own number of targets. */
  numItems?: number
  /** false: loss only, nothing saved. */
  backward?: boolean
  /** Default: the model's; else the products are kept, or only the layers' inputs when gradient checkpointing is on. */
  plan?: MemoryPlan | undefined
}

/** Statistics of a pass, summed over its targets. */
export interface PassStats {
  lossSum: number
  numTargets: number
  entropySum: number
  correct: number
}

export interface StepResult {
  loss: number
  num_items: number
}

/**
 * One forward, and one backward unless it is turned off: embedding -> layers -> norm -> chunked loss, then back the
 * same way. Enqueues everything before it waits for the four numbers it returns. Gradients of sum(loss) / numItems accumulate.
 */
export async function runPass(
  model: CausalLM,
  batch: PackedBatch,
  options: PassOptions = {},
): Promise<PassStats> {
  const { backward = true } = options
  using scope = model.device.scope()
  const aligned = alignBatch(batch, model.device.rowMultiple)
  const onDevice = toDevice(aligned, model.config.vocab_size, model.device, scope)
  if (onDevice.numTargets === 0) return { lossSum: 0, numTargets: 0, entropySum: 0, correct: 0 }
  const ctx = contextOf(onDevice, scope, options)
  const plan = options.plan ?? model.memory_plans?.planFor(sizeOf(aligned)) ?? defaultPlan(model)
  const stats = backward
    ? forwardAndBack(model, onDevice, ctx, plan, 1 / (options.numItems ?? onDevice.numTargets))
    : forwardOnly(model, onDevice, ctx, plan)
  const [lossSum, numTargets, entropySum, correct] = await stats.data()
  return { lossSum: lossSum!, numTargets: numTargets!, entropySum: entropySum!, correct: correct! }
}

/** Enqueues a pass; returns the loss's statistics, in ctx.scope. */
export function forwardAndBack(
  model: CausalLM,
  { ids, targets }: DeviceBatch,
  ctx: Context,
  plan: MemoryPlan,
  scale: number,
): Tensor {
  const { embed_tokens, layers, norm, lm_head } = model.parts
  using pass = forwardLayers(layers, embed_tokens.forward(ids, ctx), ctx, plan)
  const { y: hidden, rstd } = norm.forward(pass.x, ctx)
  const { stats, dhidden } = languageModelLoss(hidden, targets, lm_head, scale, ctx, true)
  ctx.scope.free(hidden)
  const dx = dhidden!
  norm.backward(dx, pass.x, rstd, undefined, dx)
  ctx.scope.free(pass.x)
  backwardLayers(layers, dx, pass, ctx)
  return stats
}

function forwardOnly(model: CausalLM, batch: DeviceBatch, ctx: Context, plan: MemoryPlan): Tensor {
  const { norm, lm_head } = model.parts
  const x = forwardHidden(model, batch, ctx, undefined, plan.mlpRows)
  const hidden = norm.forward(x, ctx).y
  ctx.scope.free(x)
  return languageModelLoss(hidden, batch.targets, lm_head, 1, ctx, false).stats
}

/** Final hidden states before the last norm; `visit` sees the embedding and each layer's output while it lives. */
export function forwardHidden(
  model: CausalLM,
  batch: DeviceBatch,
  ctx: Context,
  visit: (x: Tensor, index: number) => void = () => {},
  mlpRows?: number,
): Tensor {
  let x = model.parts.embed_tokens.forward(batch.ids, ctx)
  visit(x, 0)
  for (const layer of model.parts.layers) {
    const layerScope = model.device.scope()
    const { y } = layer.forward(x, ctx, layerScope, { plan: keepInput, mlpRows })
    ctx.scope.add(layerScope.keep(y))
    layerScope.dispose()
    ctx.scope.free(x)
    x = y
    visit(x, layer.index + 1)
  }
  return x
}

export function contextOf(batch: DeviceBatch, scope: Scope, options: PassOptions): Context {
  return {
    scope,
    positions: batch.positions,
    cuSeqlens: batch.cuSeqlens,
    maxLength: batch.maxLength,
    autocast: options.autocast,
    dropout: options.dropout,
    deterministic: options.deterministic,
  }
}

function defaultPlan(model: CausalLM): MemoryPlan {
  return uniformPlan(model.is_gradient_checkpointing ? keepInput : keepProducts, model.parts.layers.length)
}

/** `model.forward_backward`: the mean loss of one batch and its gradients. */
export async function forwardBackward(
  model: CausalLM,
  batch: ModelInputs | PackedBatch,
): Promise<StepResult> {
  const packed = isPacked(batch) ? batch : packInputs(batch).packed
  const stats = await runPass(model, packed)
  if (stats.numTargets === 0) {
    throw new Error('[forward_backward] nothing to learn: give labels, and not all of them -100')
  }
  return { loss: stats.lossSum / stats.numTargets, num_items: stats.numTargets }
}
