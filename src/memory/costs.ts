import { itemsize, type FloatDType } from '../tensor/dtype'
import type { LayerBlueprint, LinearModule } from '../models/blueprint'
import { blueprintOf } from '../models/families'
import type { LayerPlan, MemoryPlan } from '../models/memory-plan'
import { kindOf } from '../models/objective'
import { codeBytes, isQuantized } from '../models/quantized'
import type { StepShape } from './dry-run'
import type { Machine } from './machine'

export type SavedKind = keyof LayerPlan

/** The kinds of tensors that a layer's forward saves for backward. */
export const savedKinds: readonly SavedKind[] = ['x', 'qkv', 'attention', 'attnResidual', 'mlp']

/** One kind of saved tensor in one layer: its bytes, and the time to recompute it. */
export interface KindCost {
  bytes: number
  seconds: number
}

export interface StepCosts {
  layer: Readonly<Record<SavedKind, KindCost>>
  /** Seconds of one layer without recomputing. */
  forward: number
  backward: number
  /**
   * Seconds of the output head and the loss, forward and backward. A loss on the host runs the head's forward
   * once more.
   */
  head: number
  /** Seconds to dequantize one MLP matrix; every tile repeats it. */
  matrix: number
  tokens: number
}

/** The dtype of a linear layer's result: the input's for a quantized layer, else autocast's. */
export function resultDtype(
  { dtype, autocast, quantization }: Pick<StepShape, 'dtype' | 'autocast' | 'quantization'>,
  module: LinearModule,
): FloatDType {
  return isQuantized(module, quantization) ? dtype : (autocast ?? dtype)
}

/** Seconds that attention takes at least on a GPU: its kernel launches. */
const LAUNCHES = 25e-6

/**
 * Bytes and seconds of one micro batch, from the sizes of its products and the machine's rates. Seconds are
 * estimates.
 */
export function stepCosts(step: StepShape, machine: Machine): StepCosts {
  const { config, quantization, tokens, sequences } = step
  const { layers, head } = blueprintOf(config)
  const isOnHost = kindOf(step.objective).host !== undefined
  const first = layers[0]!
  // The linear modules that read the same tensor, in the layer's order.
  const linears = first.modules.filter((module) => module.kind === 'linear')
  const reading = (...keys: string[]): LinearModule[] => {
    const one = linears.find((module) => keys.some((key) => module.key.endsWith(key)))!
    return linears.filter(({ reads }) => reads === one.reads)
  }
  const qkvs = reading('.q_proj', '.qkv_proj')
  const q = qkvs[0]!
  const [o, gateUp, down] = [
    reading('.o_proj'),
    reading('.up_proj', '.gate_up_proj'),
    reading('.down_proj')[0]!,
  ]
  const rows = (modules: readonly LinearModule[]): number => modules.reduce((n, m) => n + m.outFeatures, 0)
  const { inFeatures: hidden } = q
  const heads = first.heads * first.headDim
  const kv = rows(qkvs) - heads
  const inner = down.inFeatures
  const { products, attention, copies } = machine.rates
  const width = itemsize[step.dtype]
  /** Bytes per number in a module's result. */
  const resultBytes = (module: LinearModule): number => itemsize[resultDtype(step, module)]
  const compute = itemsize[(step.autocast ?? step.dtype) satisfies FloatDType]
  /** Bytes moved to read the weights; for quantized ones, codes in and full values out. */
  const weightBytes = (modules: readonly LinearModule[]): number =>
    modules.reduce((n, m) => {
      const codes = codeBytes(m, quantization)
      return codes === undefined ? n : n + m.inFeatures * m.outFeatures * (codes + compute)
    }, 0)
  /** Seconds to multiply one input by these matrices, and to read them. */
  const product = (modules: readonly LinearModule[]): number =>
    (2 * tokens * modules[0]!.inFeatures * rows(modules)) / products + weightBytes(modules) / copies
  const pass = (bytesPerToken: number): number => (tokens * bytesPerToken) / copies
  const mean = tokens / sequences
  // With unequal lengths, long sequences weigh more.
  const length = (mean + (step.longest ?? mean)) / 2
  // The number of tokens of a full causal sequence in which a query sees, on average, as many keys as with this
  // window.
  const seen = ({ window }: LayerBlueprint): number =>
    window > 0 && window < length ? 2 * window - window ** 2 / length : length
  const average = layers.reduce((n, layer) => n + seen(layer), 0) / layers.length
  const scores = Math.max(
    (2 * tokens * average * heads) / attention(length),
    machine.sharesHost ? 0 : LAUNCHES,
  )
  // The norms of q and k and their rotation are recomputed wherever attention is.
  const normed = first.modules.some(({ key }) => key.endsWith('.q_norm'))
  const norms = normed ? pass(4 * width * (heads + kv / 2)) : 0
  const after = first.modules.some(({ key }) => key.endsWith('.post_feedforward_layernorm'))
  const normAfter = after ? pass(2 * width * hidden) : 0
  const qkv = product(qkvs) + pass(4 * width * (hidden + heads + kv / 2))
  const out = product(o) + pass(3 * width * hidden) + normAfter
  const mlp = product(gateUp) + pass(3 * width * hidden)
  const downTime = product([down]) + pass(3 * width * (inner + hidden)) + normAfter
  const forward = qkv + scores + norms + out + mlp + downTime
  // Backward: the gradients of the inputs, and twice the elementwise passes. The adapters add 5% to everything.
  const backward = forward * 1.08 + 1.8 * scores
  return {
    layer: {
      x: { bytes: tokens * hidden * width, seconds: Infinity },
      qkv: { bytes: tokens * rows(qkvs) * resultBytes(q), seconds: qkv },
      attention: { bytes: tokens * (heads * resultBytes(q) + first.heads * 4), seconds: scores + norms },
      attnResidual: { bytes: tokens * hidden * resultBytes(o[0]!), seconds: out },
      // A norm after the MLP reads down_proj's result, so that is kept or recomputed with its inputs.
      mlp: {
        bytes: tokens * (rows(gateUp) * resultBytes(gateUp[0]!) + (after ? hidden * resultBytes(down) : 0)),
        seconds: after ? mlp + downTime : mlp,
      },
    },
    forward: forward * 1.05,
    backward: backward * 1.05,
    matrix: weightBytes([down]) / copies,
    tokens,
    head:
      ((isOnHost ? 6 : 4) * tokens * head.inFeatures * head.outFeatures) / products +
      pass((isOnHost ? 4 : 3) * width * head.outFeatures),
  }
}

/**
 * Work that runs beside a copy slows down by this share of the copy's time (2 x 2048 tokens on an H100: 275 ms;
 * 287 ms with 176 ms of copies).
 */
const SLOWED = 0.07

/**
 * Seconds of a micro batch, forward and backward, under this plan. Copies run beside the work in the order of
 * `forwardLayers` and `backwardLayers`: a layer's input is copied out while the layer runs, its other tensors
 * while the next layer runs. In backward, all of a layer's tensors are copied back while the layer above it
 * runs; without prefetch, just before its own backward.
 */
export function passSeconds(costs: StepCosts, plan: MemoryPlan, { rates }: Machine): number {
  const { layer: kind, matrix } = costs
  const moreTiles = plan.mlpRows === undefined ? 0 : Math.ceil(costs.tokens / plan.mlpRows) - 1
  const copy = (layer: LayerPlan, of: readonly SavedKind[]): number =>
    of.reduce((n, k) => (layer[k] === 'offload' ? n + kind[k].bytes / rates.link : n), 0)
  const beside = (work: number, copying: number): number => Math.max(work + SLOWED * copying, copying)
  const forward = costs.forward + 3 * moreTiles * matrix
  let seconds = costs.head
  let copying = 0
  for (const layer of plan.layers) {
    seconds += beside(forward, copying + copy(layer, ['x']))
    copying = copy(layer, produced)
  }
  seconds += copying
  const { prefetch = true } = plan
  if (prefetch) seconds += copy(plan.layers.at(-1)!, savedKinds)
  plan.layers.forEach((layer, i) => {
    const again = savedKinds.reduce((n, k) => (layer[k] === 'recompute' ? n + kind[k].seconds : n), 0)
    const tiles = moreTiles * (layer.mlp === 'recompute' ? 5 : 3) * matrix
    const work = costs.backward + again + tiles
    const below = plan.layers[i - 1]
    seconds += prefetch ? beside(work, below ? copy(below, savedKinds) : 0) : work + copy(layer, savedKinds)
  })
  return seconds
}

/** The kinds that a layer computes itself; x comes from the layer below. */
const produced = savedKinds.filter((kind) => kind !== 'x')
