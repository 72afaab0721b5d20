/**
 * The parts that a layer of your own is made of. Names and behaviour may change in any version.
 *
 * A class that implements `LinearLayer` and is set with `slot.set(layer)`, for a slot of
 * `model.linearSlots()`, runs and trains like the library's own layers, and `model.parameters()` includes its
 * parameters. You write its backward by hand, from the operations of `ops`.
 */
export * as ops from './tensor/ops'
export type { MatmulOptions } from './tensor/ops'
export { Scope } from './tensor/scope'
export { Parameter } from './nn/parameter'
export type { Context, DropoutState } from './nn/context'
export type { InputGradient, Into, LinearLayer } from './nn/linear'
export type { LinearSlot } from './models/causal-lm'
export type { DType, FloatDType } from './tensor/dtype'
