import type { Context, DropoutState } from '../nn/context'
import { languageModelLoss } from '../nn/loss'
import type { FloatDType } from '../tensor/dtype'
import type { Scope } from '../tensor/scope'
import type { Tensor } from '../tensor/tensor'
import { toDevice, type DeviceBatch, type PackedBatch } from './batch'
import type { LlamaForCausalLM } from './causal-lm'
import type { LayerSaved } from './decoder-layer'
import { isPacked, packInputs, type ModelInputs } from './padding'

export interface PassOptions {
  autocast?: FloatDType | undefined
  dropout?: DropoutState | undefined
  /** The loss is sum / numItems. Default: this batch's own number of targets. */
  numItems?: number
  /** false: loss only, nothing saved. */
  backward?: boolean
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
  model: LlamaForCausalLM,
  batch: PackedBatch,
  options: PassOptions = {},
): Promise<PassStats> {
  const { backward = true } = options
  using scope = model.device.scope()
  const onDevice = toDevice(batch, model.config.vocab_size, model.device, scope)
  if (onDevice.numTargets === 0) return { lossSum: 0, numTargets: 0, entropySum: 0, correct: 0 }
  const ctx = contextOf(onDevice, scope, options)
  const { x, inputs, saved } = forwardLayers(model, onDevice, ctx, backward)
  const { y: hidden, rstd } = model.parts.norm.forward(x, ctx)
  const scale = 1 / (options.numItems ?? onDevice.numTargets)
  const loss = languageModelLoss(hidden, onDevice.targets, model.parts.lm_head, scale, ctx, backward)
  scope.free(hidden)
  if (loss.dhidden) {
    const dx = loss.dhidden
    model.parts.norm.backward(dx, x, rstd, undefined, dx)
    scope.free(x)
    backwardLayers(model, dx, inputs, saved, ctx)
  }
  const [lossSum, numTargets, entropySum, correct] = await loss.stats.data()
  return { lossSum: lossSum!, numTargets: numTargets!, entropySum: entropySum!, correct: correct! }
}

/** Final hidden states before the last norm; `visit` sees the embedding and each layer's output while it lives. */
export function forwardHidden(
  model: LlamaForCausalLM,
  batch: DeviceBatch,
  ctx: Context,
  visit: (x: Tensor, index: number) => void = () => {},
): Tensor {
  let x = model.parts.embed_tokens.forward(batch.ids, ctx)
  visit(x, 0)
  for (const layer of model.parts.layers) {
    const layerScope = model.device.scope()
    const { y } = layer.forward(x, ctx, layerScope)
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
    autocast: options.autocast,
    dropout: options.dropout,
  }
}

interface LayersForward {
  /** Output of the last layer, in ctx.scope. */
  x: Tensor
  /** Input of each layer, in ctx.scope. */
  inputs: Tensor[]
  /** One a layer; empty when activations are to be recomputed. */
  saved: LayerSaved[]
}

function forwardLayers(
  model: LlamaForCausalLM,
  batch: DeviceBatch,
  ctx: Context,
  keep: boolean,
): LayersForward {
  if (!keep) return { x: forwardHidden(model, batch, ctx), inputs: [], saved: [] }
  const inputs: Tensor[] = []
  const saved: LayerSaved[] = []
  let x = model.parts.embed_tokens.forward(batch.ids, ctx)
  for (const layer of model.parts.layers) {
    inputs.push(x)
    const pass = layer.forward(x, ctx, model.device.scope())
    x = ctx.scope.add(pass.saved.scope.keep(pass.y))
    if (model.is_gradient_checkpointing) pass.saved.scope.dispose()
    else saved.push(pass.saved)
  }
  return { x, inputs, saved }
}

/** dx becomes the gradient of each layer's input in turn; each layer's memory is freed when it is done. */
function backwardLayers(
  model: LlamaForCausalLM,
  dx: Tensor,
  inputs: Tensor[],
  saved: LayerSaved[],
  ctx: Context,
): void {
  for (const layer of [...model.parts.layers].reverse()) {
    const input = inputs[layer.index]!
    let kept = saved[layer.index]
    if (!kept) {
      const again = layer.forward(input, ctx, model.device.scope())
      kept = again.saved
      kept.scope.free(again.y)
    }
    layer.backward(dx, kept, ctx, layer.index === 0)
    ctx.scope.free(input)
  }
}

/** `model.forward_backward`: the mean loss of one batch and its gradients. */
export async function forwardBackward(
  model: LlamaForCausalLM,
  batch: ModelInputs | PackedBatch,
): Promise<StepResult> {
  const packed = isPacked(batch) ? batch : packInputs(batch).packed
  const stats = await runPass(model, packed)
  if (stats.numTargets === 0) {
    throw new Error('[forward_backward] nothing to learn: give labels, and not all of them -100')
  }
  return { loss: stats.lossSum / stats.numTargets, num_items: stats.numTargets }
}
