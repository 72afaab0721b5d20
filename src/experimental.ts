/**
 * What a layer of one's own is made of. Names and behaviour may change in any version.
 *
 * A class that implements `LinearLayer` and is put in place with `slot.set(layer)` of `model.linearSlots()` runs and trains like the
 * library's own; `model.parameters()` then has its parameters. Its backward is written by hand, from operations of `ops`.
 */
export * as ops from './tensor/ops'
export type { MatmulOptions } from './tensor/ops'
export { Scope } from './tensor/scope'
export { Parameter } from './nn/parameter'
export type { Context, DropoutState } from './nn/context'
export type { InputGradient, Into, LinearLayer } from './nn/linear'
export type { LinearSlot } from './models/causal-lm'
export type { DType, FloatDType } from './tensor/dtype'
