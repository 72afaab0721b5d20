import { matmul } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import { DoraLinear } from './dora'
import { inputGradientJoined, joinsDown, joinsUp, projectJoined } from './joined'
import type { InputGradient, LinearLayer } from './linear'
import { Linear4bit } from './linear4bit'
import { LoraLinear } from './lora'
import type { ParameterStack } from './parameter-stack'

// Layers that read the same x [T, in], run together. Adapters whose A matrices are one stack share one product for all of
// A @ x^T, one for the gradient of the stack and one for their part of dx: x is the large operand of each.

/** A by-product of forward, or its gradient: [r, T] of each layer whose adapter runs in parts. */
export interface Downs {
  each: readonly (Tensor | undefined)[]
  /** Set when `each` are the rows of one tensor `all` [sum of r, T]. */
  stacked?: { stack: ParameterStack; all: Tensor }
}

/** Outputs [T, out] in the order of the layers, and what backward takes again; all in `ctx.scope`. */
export function project(
  layers: readonly LinearLayer[],
  x: Tensor,
  ctx: Context,
): { ys: Tensor[]; downs: Downs } {
  const downs = projectDown(layers, x, ctx)
  const joined = joinedDowns(downs)
  if (joined && layers.every(runsInParts) && joinsUp(layers, x, ctx))
    return { ys: projectJoined(layers, x, joined, ctx), downs }
  const ys = layers.map((layer, i) => {
    const down = downs.each[i]
    return down ? (layer as LoraLinear).up(down, x, ctx) : layer.forward(x, ctx)
  })
  return { ys, downs }
}

/** Accumulates all gradients; returns dx, the sum over the layers, or undefined when skipped. */
export function projectBackward(
  layers: readonly LinearLayer[],
  dys: readonly Tensor[],
  x: Tensor,
  downs: Downs,
  ctx: Context,
  skip = false,
): Tensor | undefined {
  const { dx, ddowns } = inputGradient(layers, dys, x, downs, ctx, skip)
  downGradient(layers, ddowns, x, ctx)
  return dx
}

/** Whether `inputGradient` does without the values of x. */
export function needsOnlyShape(layers: readonly LinearLayer[]): boolean {
  return layers.every((layer) => runsInParts(layer) || layer instanceof Linear4bit)
}

/** projectBackward without the gradients of the A matrices, which `downGradient` adds. */
export function inputGradient(
  layers: readonly LinearLayer[],
  dys: readonly Tensor[],
  x: Tensor,
  downs: Downs,
  ctx: Context,
  skip = false,
): { dx: Tensor | undefined; ddowns: Downs } {
  const ddowns = upGradient(layers, dys, downs, ctx)
  const { stacked } = ddowns
  let dx: Tensor | undefined
  if (stacked && !skip) {
    dx = ctx.scope.empty(x.shape, x.dtype)
    matmul(stacked.all, stacked.stack.data, dx, { transposeA: true, operand: operandOf(layers, ctx) })
  }
  layers.forEach((layer, i) => {
    const to: InputGradient = { into: dx, skip }
    const [dy, ddown] = [dys[i]!, ddowns.each[i]]
    if (!ddown) dx = layer.backward(dy, x, ctx, to)
    else if (stacked) dx = (layer as LoraLinear).base.backward(dy, x, ctx, to)
    else if (!skip && !dx && joinsDown(layer as LoraLinear, dy, ctx))
      dx = inputGradientJoined(layer as LoraLinear, dy, ddown, ctx)
    else dx = (layer as LoraLinear).backwardInput(dy, ddown, x, ctx, to)
  })
  return { dx, ddowns }
}

/** Accumulates the gradients of the A matrices and frees `ddowns`. */
export function downGradient(layers: readonly LinearLayer[], ddowns: Downs, x: Tensor, ctx: Context): void {
  const { stacked, each } = ddowns
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
function projectDown(layers: readonly LinearLayer[], x: Tensor, ctx: Context): Downs {
  const stack = commonStack(layers, ctx)
  if (!stack) {
    return { each: layers.map((layer) => (runsInParts(layer) ? layer.down(x, ctx) : undefined)) }
  }
  const operand = operandOf(layers, ctx)
  const all = ctx.scope.empty([stack.data.rows, x.rows], operand)
  matmul(stack.data, x, all, { transposeB: true, operand })
  return { each: rowsOf(all, layers, ctx), stacked: { stack, all } }
}

/** Accumulates the B gradients; returns the gradients of `downs`. */
function upGradient(
  layers: readonly LinearLayer[],
  dys: readonly Tensor[],
  downs: Downs,
  ctx: Context,
): Downs {
  const stacked = downs.stacked && {
    stack: downs.stacked.stack,
    all: ctx.scope.empty(downs.stacked.all.shape, downs.stacked.all.dtype),
  }
  const into = stacked ? rowsOf(stacked.all, layers, ctx) : []
  const each = layers.map((layer, i) => {
    const down = downs.each[i]
    return down && (layer as LoraLinear).backwardUp(dys[i]!, down, ctx, into[i])
  })
  return { each, ...(stacked && { stacked }) }
}

/** All by-products as one tensor, where they are one. */
function joinedDowns({ stacked, each }: Downs): Tensor | undefined {
  return stacked ? stacked.all : each.length === 1 ? each[0] : undefined
}

function rowsOf(all: Tensor, layers: readonly LinearLayer[], ctx: Context): (Tensor | undefined)[] {
  let row = 0
  return layers.map((layer) => {
    if (!runsInParts(layer)) return undefined
    const begin = row
    row += layer.lora_A.data.rows
    return ctx.scope.add(all.slice(begin, row))
  })
}

function runsInParts(layer: LinearLayer): layer is LoraLinear {
  return layer instanceof LoraLinear && !(layer instanceof DoraLinear) && layer.enabled
}

/** The stack of all the layers' adapters, unless masks make their inputs different. */
function commonStack(layers: readonly LinearLayer[], ctx: Context): ParameterStack | undefined {
  const adapters = layers.filter(runsInParts)
  const stack = adapters[0]?.stack
  if (!stack || stack.parts.length !== adapters.length) return undefined
  return adapters.every((a, i) => a.lora_A === stack.parts[i] && !a.drops(ctx)) ? stack : undefined
}

function operandOf(layers: readonly LinearLayer[], ctx: Context): ReturnType<LoraLinear['operand']> {
  return layers.find(runsInParts)!.operand(ctx)
}
