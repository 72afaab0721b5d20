import { matmul } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import { inputGradientFused, canFuseBackward, canFuseForward, projectFused } from './fused-lora'
import type { InputGradient, LinearLayer } from './linear'
import { LoraLinear } from './lora'
import type { ParameterStack } from './parameter-stack'

// Runs layers that read the same x [T, in] together. Adapters whose A matrices form one stack share one product
// for all A @ x^T, one for the gradient of the stack, and one for their part of dx; x is the large operand of
// each.

/** Activations between A and B, or their gradients: [r, T] for each layer whose adapter runs in parts. */
export interface LowRank {
  each: readonly (Tensor | undefined)[]
  /** Set if `each` are rows of one tensor `all` [sum of r, T]. */
  stacked?: { stack: ParameterStack; all: Tensor }
}

/** Outputs [T, out] in the order of the layers, and what backward needs. All are in `ctx.scope`. */
export function project(
  layers: readonly LinearLayer[],
  x: Tensor,
  ctx: Context,
): { ys: Tensor[]; lowRank: LowRank } {
  const lowRank = projectLowRank(layers, x, ctx)
  const joined = singleLowRank(lowRank)
  if (joined && layers.every(isPlainLora) && canFuseForward(layers, x, ctx))
    return { ys: projectFused(layers, x, joined, ctx), lowRank }
  // The bases' products follow each other: of a few rows a GPU makes one launch of them.
  const ups = lowRank.each.map((down, i) => down && (layers[i] as LoraLinear).up(down, x, ctx))
  const ys = layers.map((layer, i) => {
    const up = ups[i]
    return up ? (layer as LoraLinear).base.forward(x, ctx, up) : layer.forward(x, ctx)
  })
  return { ys, lowRank }
}

/** Accumulates all gradients. Returns dx, the sum over the layers, or undefined if skipped. */
export function projectBackward(
  layers: readonly LinearLayer[],
  dys: readonly Tensor[],
  x: Tensor,
  lowRank: LowRank,
  ctx: Context,
  skip = false,
): Tensor | undefined {
  const { dx, dLowRank } = inputGradient(layers, dys, x, lowRank, ctx, skip)
  lowRankGradient(layers, dLowRank, x, ctx)
  return dx
}

/** Whether `inputGradient` needs only the shape and dtype of x. */
export function needsOnlyShape(layers: readonly LinearLayer[]): boolean {
  return layers.every((layer) => isPlainLora(layer) || layer.backwardNeedsInput === false)
}

/** Like projectBackward, but without the gradients of the A matrices; `lowRankGradient` adds those. */
export function inputGradient(
  layers: readonly LinearLayer[],
  dys: readonly Tensor[],
  x: Tensor,
  lowRank: LowRank,
  ctx: Context,
  skip = false,
): { dx: Tensor | undefined; dLowRank: LowRank } {
  const dLowRank = upGradient(layers, dys, lowRank, ctx)
  const { stacked } = dLowRank
  let dx: Tensor | undefined
  if (stacked && !skip) {
    dx = ctx.scope.empty(x.shape, x.dtype)
    matmul(stacked.all, stacked.stack.data, dx, { transposeA: true, operand: operandOf(layers, ctx) })
  }
  layers.forEach((layer, i) => {
    const to: InputGradient = { into: dx, skip }
    const [dy, ddown] = [dys[i]!, dLowRank.each[i]]
    if (!ddown) dx = layer.backward(dy, x, ctx, to)
    else if (stacked) dx = (layer as LoraLinear).base.backward(dy, x, ctx, to)
    else if (!skip && !dx && canFuseBackward(layer as LoraLinear, dy, ctx))
      dx = inputGradientFused(layer as LoraLinear, dy, ddown, ctx)
    else dx = (layer as LoraLinear).backwardInput(dy, ddown, x, ctx, to)
  })
  return { dx, dLowRank }
}

/** Accumulates the gradients of the A matrices and frees `dLowRank`. */
export function lowRankGradient(
  layers: readonly LinearLayer[],
  dLowRank: LowRank,
  x: Tensor,
  ctx: Context,
): void {
  const { stacked, each } = dLowRank
  if (stacked) {
    matmul(stacked.all, x, stacked.stack.gradient(), { beta: 1, operand: operandOf(layers, ctx) })
    ctx.scope.free(stacked.all)
  }
  each.forEach((ddown, i) => {
    if (!ddown) return
    if (!stacked) (layers[i] as LoraLinear).backwardDown(ddown, x, ctx)
    ctx.scope.free(ddown)
  })
}

/** A @ dropout(x)^T of each adapter. */
function projectLowRank(layers: readonly LinearLayer[], x: Tensor, ctx: Context): LowRank {
  const stack = commonStack(layers, ctx)
  if (!stack) {
    return { each: layers.map((layer) => (isPlainLora(layer) ? layer.down(x, ctx) : undefined)) }
  }
  const operand = operandOf(layers, ctx)
  const all = ctx.scope.empty([stack.data.rows, x.rows], operand)
  matmul(stack.data, x, all, { transposeB: true, operand })
  return { each: rowsOf(all, layers, ctx), stacked: { stack, all } }
}

/** Accumulates the B gradients; returns the gradients of `lowRank`. */
function upGradient(
  layers: readonly LinearLayer[],
  dys: readonly Tensor[],
  lowRank: LowRank,
  ctx: Context,
): LowRank {
  const stacked = lowRank.stacked && {
    stack: lowRank.stacked.stack,
    all: ctx.scope.empty(lowRank.stacked.all.shape, lowRank.stacked.all.dtype),
  }
  const into = stacked ? rowsOf(stacked.all, layers, ctx) : []
  const each = layers.map((layer, i) => {
    const down = lowRank.each[i]
    return down && (layer as LoraLinear).backwardUp(dys[i]!, down, ctx, into[i])
  })
  return { each, ...(stacked && { stacked }) }
}

/** The stacked adapter activations, if the layers share one stack. */
function singleLowRank({ stacked, each }: LowRank): Tensor | undefined {
  return stacked ? stacked.all : each.length === 1 ? each[0] : undefined
}

function rowsOf(all: Tensor, layers: readonly LinearLayer[], ctx: Context): (Tensor | undefined)[] {
  let row = 0
  return layers.map((layer) => {
    if (!isPlainLora(layer)) return undefined
    const begin = row
    row += layer.lora_A.data.rows
    return ctx.scope.add(all.slice(begin, row))
  })
}

function isPlainLora(layer: LinearLayer): layer is LoraLinear {
  return layer instanceof LoraLinear && layer.runsInParts
}

/** The stack that holds all the layers' adapters; undefined if dropout gives them different inputs. */
function commonStack(layers: readonly LinearLayer[], ctx: Context): ParameterStack | undefined {
  const adapters = layers.filter(isPlainLora)
  const stack = adapters[0]?.stack
  if (!stack || stack.parts.length !== adapters.length) return undefined
  return adapters.every((a, i) => a.lora_A === stack.parts[i] && !a.drops(ctx)) ? stack : undefined
}

function operandOf(layers: readonly LinearLayer[], ctx: Context): ReturnType<LoraLinear['operand']> {
  return layers.find(isPlainLora)!.operand(ctx)
}
