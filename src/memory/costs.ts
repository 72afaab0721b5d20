import { itemsize, type FloatDType } from '../tensor/dtype'
import type { LayerPlan, MemoryPlan } from '../models/memory-plan'
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
  /** Of the head and the loss, both ways. */
  head: number
  /** Of dequantizing one of an MLP's three matrices, which each tile does anew. */
  matrix: number
  tokens: number
}

/** Seconds that attention takes at least on a GPU. */
const LAUNCHES = 25e-6

/** Bytes and times of one micro batch, from the sizes of the products. Times are estimates from the machine's rates. */
export function stepCosts(step: StepShape, machine: Machine): StepCosts {
  const { config, tokens, sequences } = step
  const { hidden_size: hidden, intermediate_size: inner, head_dim, vocab_size: vocab } = config
  const heads = config.num_attention_heads * head_dim
  const kv = config.num_key_value_heads * head_dim
  const { products, attention, copies } = machine.rates
  const width = itemsize[step.dtype]
  // A plain linear layer's result has autocast's dtype, a 4-bit one's its input's.
  const linear = itemsize[step.quantization?.load_in_4bit ? step.dtype : (step.autocast ?? step.dtype)]
  const compute = itemsize[(step.autocast ?? step.dtype) satisfies FloatDType]
  /** A product with a matrix, and reading the matrix: codes in and full values out when it is in 4 bits. */
  const product = (cols: number, rows: number): number => {
    const weight = cols * rows * (step.quantization?.load_in_4bit ? 0.56 + compute : 0)
    return (2 * tokens * cols * rows) / products + weight / copies
  }
  const pass = (bytesPerToken: number): number => (tokens * bytesPerToken) / copies
  const mean = tokens / sequences
  // Of unequal lengths the long ones weigh more.
  const length = (mean + (step.longest ?? mean)) / 2
  const scores = Math.max(
    (2 * tokens * length * heads) / attention(length),
    machine.sharesHost ? 0 : LAUNCHES,
  )
  const qkv = product(hidden, heads + 2 * kv) + pass(4 * width * (hidden + heads + kv))
  const out = product(heads, hidden) + pass(3 * width * hidden)
  const mlp = product(hidden, 2 * inner) + pass(3 * width * hidden)
  const down = product(inner, hidden) + pass(3 * width * (inner + hidden))
  const forward = qkv + scores + out + mlp + down
  // Backward: the gradients of the inputs, twice the elementwise passes. Adapters: 5% of it all.
  const backward = forward * 1.08 + 1.8 * scores
  return {
    layer: {
      x: { bytes: tokens * hidden * width, seconds: Infinity },
      qkv: { bytes: tokens * (heads + 2 * kv) * linear, seconds: qkv },
      attention: { bytes: tokens * (heads * linear + config.num_attention_heads * 4), seconds: scores },
      attnResidual: { bytes: tokens * hidden * linear, seconds: out },
      mlp: { bytes: tokens * 2 * inner * linear, seconds: mlp },
    },
    forward: forward * 1.05,
    backward: backward * 1.05,
    matrix: step.quantization?.load_in_4bit ? (hidden * inner * (0.56 + compute)) / copies : 0,
    tokens,
    head: (4 * tokens * hidden * vocab) / products + pass(3 * width * vocab),
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
