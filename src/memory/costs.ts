import { itemsize, type FloatDType } from '../tensor/dtype'
import type { LayerBlueprint, LinearModule } from '../models/blueprint'
import { blueprintOf } from '../models/families'
import type { LayerPlan, MemoryPlan } from '../models/memory-plan'
import { kindOf } from '../models/objective'
import { codeBytes, isQuantized } from '../models/quantized'
import type { StepShape } from './dry-run'
import type { Machine } from './machine'

export type SavedKind = keyof LayerPlan

/** The kinds of tensors that a layer leaves for backward. */
export const savedKinds: readonly SavedKind[] = ['x', 'qkv', 'attention', 'attnResidual', 'mlp']

/** One kind in one layer: what it holds, and what it costs to recompute it. */
export interface KindCost {
  bytes: number
  seconds: number
}

export interface StepCosts {
  layer: Readonly<Record<SavedKind, KindCost>>
  /** Of one layer, nothing recomputed. */
  forward: number
  backward: number
  /** Of the head and the loss, both ways; a loss on the host takes the head forward once more. */
  head: number
  /** Of dequantizing one of an MLP's three matrices, which each tile does anew. */
  matrix: number
  tokens: number
}

/** The dtype of a linear layer's result: autocast's, of a quantized layer its input's. */
export function resultDtype(
  { dtype, autocast, quantization }: Pick<StepShape, 'dtype' | 'autocast' | 'quantization'>,
  module: LinearModule,
): FloatDType {
  return isQuantized(module, quantization) ? dtype : (autocast ?? dtype)
}

/** Seconds that attention takes at least on a GPU. */
const LAUNCHES = 25e-6

/** Bytes and times of one micro batch, from the sizes of the products. Times are estimates from the machine's rates. */
export function stepCosts(step: StepShape, machine: Machine): StepCosts {
  const { config, quantization, tokens, sequences } = step
  const { layers, head } = blueprintOf(config)
  const isOnHost = kindOf(step.objective).host !== undefined
  const first = layers[0]!
  // Modules that read the same tensor, in the order of the layer.
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
  /** Bytes of a number in a module's result. */
  const resultBytes = (module: LinearModule): number => itemsize[resultDtype(step, module)]
  const compute = itemsize[(step.autocast ?? step.dtype) satisfies FloatDType]
  /** Bytes of reading the weights: codes in and full values out where they are quantized. */
  const weightBytes = (modules: readonly LinearModule[]): number =>
    modules.reduce((n, m) => {
      const codes = codeBytes(m, quantization)
      return codes === undefined ? n : n + m.inFeatures * m.outFeatures * (codes + compute)
    }, 0)
  /** Products of one input with these matrices, and reading them. */
  const product = (modules: readonly LinearModule[]): number =>
    (2 * tokens * modules[0]!.inFeatures * rows(modules)) / products + weightBytes(modules) / copies
  const pass = (bytesPerToken: number): number => (tokens * bytesPerToken) / copies
  const mean = tokens / sequences
  // Of unequal lengths the long ones weigh more.
  const length = (mean + (step.longest ?? mean)) / 2
  // Tokens of a sequence without a window in which a query sees as many keys.
  const seen = ({ window }: LayerBlueprint): number =>
    window > 0 && window < length ? 2 * window - window ** 2 / length : length
  const average = layers.reduce((n, layer) => n + seen(layer), 0) / layers.length
  const scores = Math.max(
    (2 * tokens * average * heads) / attention(length),
    machine.sharesHost ? 0 : LAUNCHES,
  )
  // Norms of q and k, and their rotation, are made wherever attention runs.
  const normed = first.modules.some(({ key }) => key.endsWith('.q_norm'))
  const norms = normed ? pass(4 * width * (heads + kv / 2)) : 0
  const after = first.modules.some(({ key }) => key.endsWith('.post_feedforward_layernorm'))
  const normAfter = after ? pass(2 * width * hidden) : 0
  const qkv = product(qkvs) + pass(4 * width * (hidden + heads + kv / 2))
  const out = product(o) + pass(3 * width * hidden) + normAfter
  const mlp = product(gateUp) + pass(3 * width * hidden)
  const downTime = product([down]) + pass(3 * width * (inner + hidden)) + normAfter
  const forward = qkv + scores + norms + out + mlp + downTime
  // Backward: the gradients of the inputs, twice the elementwise passes. Adapters: 5% of it all.
  const backward = forward * 1.08 + 1.8 * scores
  return {
    layer: {
      x: { bytes: tokens * hidden * width, seconds: Infinity },
      qkv: { bytes: tokens * rows(qkvs) * resultBytes(q), seconds: qkv },
      attention: { bytes: tokens * (heads * resultBytes(q) + first.heads * 4), seconds: scores + norms },
      attnResidual: { bytes: tokens * hidden * resultBytes(o[0]!), seconds: out },
      // A norm after the MLP reads down_proj's result, which is kept or recomputed with what leads to it.
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

/** Work beside a copy takes longer by this share of the copy's time (2 x 2048 on an H100: 275 and, with 176 ms of copies, 287 ms). */
const SLOWED = 0.07

/**
 * Seconds of a micro batch, forward and backward, with this plan. Copies run beside the work, as `forwardLayers` and `backwardLayers`
 * start and await them: a layer's input leaves while it runs, its other tensors while the next does; all come back while the next
 * runs backward, or without prefetch before their layer does.
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

/** What a layer makes itself. */
const produced = savedKinds.filter((kind) => kind !== 'x')
