import { keepInput, keepProducts, uniformPlan, type MemoryPlan } from './memory-plan'
import type { Context, DropoutState } from '../nn/context'
import { languageModelLoss, predictIds, type LossRequest } from '../nn/loss'
import type { FloatDType } from '../tensor/dtype'
import type { Scope } from '../tensor/scope'
import { Tensor } from '../tensor/tensor'
import { alignBatch, sizeOf, toDevice, type DeviceBatch, type PackedBatch } from './batch'
import type { CausalLM } from './causal-lm'
import { askObjective, deriveTargets, observeTargets, type Observed } from './host-objective'
import { backwardLayers, forwardLayers, type LayersForward } from './layers-pass'
import { checkKeys, isPacked, packedKeys, packInputs, type ModelInputs } from './padding'
import {
  checkObjective,
  kindOf,
  objectiveBatch,
  perTarget,
  type HostObjective,
  type Objective,
  type ObjectiveBatch,
  type ObjectiveResult,
} from './objective'
import { checkNames } from '../options/parse'
import { checkPacked } from './token-ids'

export interface PassOptions {
  autocast?: FloatDType | undefined
  dropout?: DropoutState | undefined
  /** Whether repeated passes give the same bits; this can be slower on a GPU. Default: false. */
  deterministic?: boolean | undefined
  /** The loss is sum / numItems. Default: this batch's own number of targets. */
  numItems?: number | undefined
  /** Number of batches that are accumulated for one update. Default: 1. */
  numBatches?: number | undefined
  /** Default: the negative log-likelihood of the targets. */
  objective?: Objective | undefined
  /** false: compute only the loss, save nothing. */
  backward?: boolean
  /** Also return the most likely id after each token; only without backward. */
  predictions?: boolean | undefined
  /** Whether layers compute as in training (torch's `model.train()`). Default: as `backward`. */
  training?: boolean | undefined
  /** Default: the model's plan; else keep the products, or with gradient checkpointing only the layers' inputs. */
  plan?: MemoryPlan | undefined
}

/** Statistics of a pass, summed over its targets. */
export interface PassStats {
  /** The objective's loss times numItems. */
  lossSum: number
  numTargets: number
  entropySum: number
  correct: number
  /** The metrics that an objective on the host returned. */
  metrics?: ObjectiveResult['metrics']
  /** The most likely next token after each token of the batch, if requested. */
  predictions?: Int32Array
}

export interface StepResult {
  loss: number
  num_items: number
}

/**
 * One forward, and one backward unless it is turned off: embedding -> layers -> norm -> loss in chunks, then
 * back. Accumulates the gradients of the objective, by default sum(loss) / numItems. Everything is enqueued
 * before it waits for the four numbers of the result; a loss on the host waits once more, between forward and
 * backward.
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
  const ids = options.predictions ? scope.empty([aligned.input_ids.length], 'int32') : undefined
  const predicted = async (stats: Promise<PassStats>): Promise<PassStats> => {
    const all = await stats
    if (!ids) return all
    const values = await ids.data<Int32Array>()
    return { ...all, predictions: values.slice(0, batch.input_ids.length) }
  }
  if (onDevice.numTargets === 0 && !ids) return { lossSum: 0, numTargets: 0, entropySum: 0, correct: 0 }
  const { numItems = onDevice.numTargets } = options
  const ctx = contextOf(onDevice, scope, { ...options, training: options.training ?? backward })
  const plan = options.plan ?? model.memory_plans?.planFor(sizeOf(aligned)) ?? defaultPlan(model)
  const { host, token } = kindOf(options.objective)
  if (host) {
    const view = objectiveBatch(batch, numItems, options.numBatches)
    if (backward) return await hostForwardAndBack(model, onDevice, ctx, plan, host, view)
    return await predicted(hostForwardOnly(model, onDevice, ctx, plan, host, view, ids))
  }
  const { loss_type, label_smoothing_factor: labelSmoothing, token_weights } = token!
  const request: LossRequest = { labelSmoothing, byProbability: loss_type === 'dft' }
  if (token_weights) {
    const weights = await token_weights(objectiveBatch(batch, numItems))
    request.weights = upload(perTarget('token_weights', weights, onDevice.numTargets), ctx)
  }
  const stats = backward
    ? forwardAndBack(model, onDevice, ctx, plan, { ...request, gradScale: 1 / numItems })
    : forwardOnly(model, onDevice, ctx, plan, request, ids)
  return await predicted(readStats(stats))
}

const upload = (values: Float32Array, ctx: Context): Tensor =>
  ctx.scope.add(Tensor.from(values, { device: ctx.scope.device }))

async function readStats(stats: Tensor): Promise<PassStats> {
  const [lossSum, numTargets, entropySum, correct] = await stats.data()
  return { lossSum: lossSum!, numTargets: numTargets!, entropySum: entropySum!, correct: correct! }
}

/** What forward saves for backward: that of the layers, and the final hidden states with their norm's rstd. */
interface ForwardPass extends Disposable {
  ids: Tensor
  layers: LayersForward
  hidden: Tensor
  rstd: Tensor
}

/** Enqueues embedding, layers and the last norm. */
export function forwardPass(
  model: CausalLM,
  { ids }: DeviceBatch,
  ctx: Context,
  plan: MemoryPlan,
): ForwardPass {
  const { embed_tokens, layers, norm } = model.parts
  const pass = forwardLayers(layers, embed_tokens.forward(ids, ctx), ctx, plan)
  const { y: hidden, rstd } = norm.forward(pass.x, ctx)
  return { ids, layers: pass, hidden, rstd, [Symbol.dispose]: () => pass[Symbol.dispose]() }
}

/** Enqueues the backward from dhidden, which is overwritten with the gradient of each layer's input in turn. */
export function backwardPass(
  model: CausalLM,
  { ids, layers: pass, hidden, rstd }: ForwardPass,
  dhidden: Tensor,
  ctx: Context,
): void {
  const { embed_tokens, layers, norm } = model.parts
  ctx.scope.free(hidden)
  norm.backward(dhidden, pass.x, rstd, undefined, dhidden)
  ctx.scope.free(pass.x)
  backwardLayers(layers, dhidden, pass, ctx, embed_tokens.isTrained)
  if (embed_tokens.isTrained) embed_tokens.backward(dhidden, ids, ctx)
}

/** Enqueues forward and backward; returns the loss's statistics, in ctx.scope. */
export function forwardAndBack(
  model: CausalLM,
  batch: DeviceBatch,
  ctx: Context,
  plan: MemoryPlan,
  request: LossRequest,
): Tensor {
  using forward = forwardPass(model, batch, ctx, plan)
  const { stats, dhidden } = languageModelLoss(forward.hidden, batch.targets, model.parts, ctx, request)
  backwardPass(model, forward, dhidden!, ctx)
  return stats
}

function forwardOnly(
  model: CausalLM,
  batch: DeviceBatch,
  ctx: Context,
  plan: MemoryPlan,
  request: LossRequest,
  ids: Tensor | undefined,
): Tensor {
  const hidden = finalHidden(model, batch, ctx, plan, ids)
  return languageModelLoss(hidden, batch.targets, model.parts, ctx, request).stats
}

/** `ids` int32 [T], if given, is overwritten with the most likely next token after each token. */
function finalHidden(
  model: CausalLM,
  batch: DeviceBatch,
  ctx: Context,
  plan: MemoryPlan,
  ids: Tensor | undefined,
): Tensor {
  const x = forwardHidden(model, batch, ctx, undefined, plan.mlpRows)
  const hidden = model.parts.norm.forward(x, ctx).y
  ctx.scope.free(x)
  if (ids) predictIds(hidden, model.parts, ids, ctx)
  return hidden
}

async function hostForwardAndBack(
  model: CausalLM,
  batch: DeviceBatch,
  ctx: Context,
  plan: MemoryPlan,
  objective: HostObjective,
  view: ObjectiveBatch,
): Promise<PassStats> {
  using forward = forwardPass(model, batch, ctx, plan)
  const observed = observeTargets(model, forward.hidden, batch, ctx, objective.entropies === true)
  const { loss, dlogps, metrics } = await askObjective(objective, view, observed, ctx)
  const weights = upload(
    dlogps.map((d) => -d),
    ctx,
  )
  backwardPass(model, forward, deriveTargets(model, forward.hidden, batch, weights, ctx), ctx)
  return hostStats(loss, metrics, observed, view)
}

async function hostForwardOnly(
  model: CausalLM,
  batch: DeviceBatch,
  ctx: Context,
  plan: MemoryPlan,
  objective: HostObjective,
  view: ObjectiveBatch,
  ids: Tensor | undefined,
): Promise<PassStats> {
  const hidden = finalHidden(model, batch, ctx, plan, ids)
  const observed = observeTargets(model, hidden, batch, ctx, objective.entropies === true)
  const { loss, metrics } = await askObjective(objective, view, observed, ctx)
  return hostStats(loss, metrics, observed, view)
}

async function hostStats(
  loss: number,
  metrics: ObjectiveResult['metrics'],
  { stats }: Observed,
  view: ObjectiveBatch,
): Promise<PassStats> {
  return { ...(await readStats(stats)), lossSum: loss * view.num_items_in_batch, metrics }
}

/**
 * Hidden states before the last norm. `visit` is called with the embedding and each layer's output before they
 * are freed.
 */
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
    reach: batch.reach,
    maxLength: batch.maxLength,
    autocast: options.autocast,
    dropout: options.dropout,
    training: options.training,
    deterministic: options.deterministic,
  }
}

function defaultPlan(model: CausalLM): MemoryPlan {
  return uniformPlan(model.is_gradient_checkpointing ? keepInput : keepProducts, model.parts.layers.length)
}

/** Options of `model.forward_backward`. */
export interface ForwardBackwardOptions {
  /** Default: the mean negative log-likelihood of the targets. */
  objective?: Objective
  /**
   * The divisor of the loss. With accumulation: the targets of all accumulated batches. Default: the batch's
   * own.
   */
  num_items_in_batch?: number
}

/** `model.forward_backward`: the loss of one batch and its gradients. */
export async function forwardBackward(
  model: CausalLM,
  batch: ModelInputs | PackedBatch,
  options: ForwardBackwardOptions = {},
): Promise<StepResult> {
  checkNames('forward_backward', options, ['objective', 'num_items_in_batch'])
  const { objective, num_items_in_batch: numItems } = options
  if (numItems !== undefined && !(Number.isFinite(numItems) && numItems > 0))
    throw new RangeError(
      `[forward_backward] num_items_in_batch: got ${numItems}; expected a number of targets, 1 or more`,
    )
  checkObjective(objective)
  const stats = await runPass(model, packedOf(batch, model), { objective, numItems })
  if (stats.numTargets === 0) {
    throw new Error('[forward_backward] nothing to learn: give labels, and not all of them -100')
  }
  return { loss: stats.lossSum / (numItems ?? stats.numTargets), num_items: stats.numTargets }
}

/** The batch in the library's internal form. @throws Error on an unknown key or an invalid value. */
export function packedOf(batch: ModelInputs | PackedBatch, { config }: CausalLM): PackedBatch {
  if (!isPacked(batch)) return packInputs(batch, config.vocab_size, 'forward_backward').packed
  checkKeys('forward_backward', batch, packedKeys)
  checkPacked('forward_backward', batch, config.vocab_size)
  return batch
}
