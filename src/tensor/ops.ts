import { addon } from '../native/addon'
import type { FloatDType } from './dtype'
import type { Scope } from './scope'
import type { Tensor } from './tensor'

// The native operations that take many numbers, with named arguments and defaults. Their semantics:
// native/core/ops.inc.

export interface MatmulOptions {
  transposeA?: boolean
  transposeB?: boolean
  /** Default 1. */
  alpha?: number
  /** 0 (the default) overwrites, 1 accumulates. */
  beta?: number
  /** Operands are rounded to this dtype first. Default float32: no rounding. */
  operand?: FloatDType
}

/** out = alpha * op(a) @ op(b) + beta * out */
export function matmul(a: Tensor, b: Tensor, out: Tensor, o: MatmulOptions = {}): void {
  const { transposeA = false, transposeB = false, alpha = 1, beta = 0, operand = 'float32' } = o
  addon().matmul(a.handle, b.handle, out.handle, transposeA, transposeB, alpha, beta, operand)
}

/** out = a + alpha * b; out may be a or b. */
export function add(a: Tensor, b: Tensor, out: Tensor, alpha = 1): void {
  addon().add(a.handle, b.handle, out.handle, alpha)
}

/** out[i, j] = x[i, j] + bias[j]; out may be x. */
export function addBias(x: Tensor, bias: Tensor, out: Tensor): void {
  addon().add_bias(x.handle, bias.handle, out.handle)
}

/** out[i, j] = x[i, j] * scale[j]; out may be x. */
export function scaleColumns(x: Tensor, scale: Tensor, out: Tensor): void {
  addon().scale_rows(x.handle, scale.handle, out.handle, true)
}

/** out[j] = beta * out[j] + sum_i x[i, j]. `beta`: 0 (the default) overwrites, 1 accumulates. */
export function sumRows(x: Tensor, out: Tensor, beta = 0): void {
  addon().sum_rows(x.handle, out.handle, beta)
}

/** out[j] = beta * out[j] + sum_i a[i, j] * b[i, j]. `beta`: 0 (the default) overwrites, 1 accumulates. */
export function dotColumns(a: Tensor, b: Tensor, out: Tensor, beta = 0): void {
  addon().dot_columns(a.handle, b.handle, out.handle, beta)
}

/** out[i] = the index of the largest element of row i (the first of equal ones), int32 [rows]. */
export function argmaxRows(x: Tensor, out: Tensor): void {
  addon().argmax_rows(x.handle, out.handle)
}

/** out = x, converted to out's dtype. */
export function copy(x: Tensor, out: Tensor): void {
  addon().copy(x.handle, out.handle)
}

/** out[:, column + j] = scale * x[:, j], or * x[j, :] when `transpose`. */
export function copyColumns(
  x: Tensor,
  out: Tensor,
  column: number,
  { transpose = false, scale = 1 }: { transpose?: boolean; scale?: number } = {},
): void {
  addon().copy_columns(x.handle, out.handle, column, transpose, scale)
}

/** out[:, j] = x[:, column + j] */
export function sliceColumns(x: Tensor, out: Tensor, column: number): void {
  addon().slice_columns(x.handle, out.handle, column)
}

/** scale * x as a new tensor of `scope`; x itself if the scale is 1. */
export function scaled(x: Tensor, scale: number, scope: Scope): Tensor {
  if (scale === 1) return x
  const out = scope.empty(x.shape, x.dtype)
  copyColumns(x, out, 0, { scale })
  return out
}

/** out = value */
export function fill(out: Tensor, value: number): void {
  addon().fill(out.handle, value)
}

/** x = cap * tanh(x / cap) */
export function softcap(x: Tensor, cap: number): void {
  addon().softcap(x.handle, x.handle, cap)
}

/** out[i] = x[index[i]] */
export function gatherRows(x: Tensor, index: Tensor, out: Tensor): void {
  addon().gather_rows(x.handle, index.handle, out.handle)
}

/** out[index[i]] += x[i], out float32; indices may repeat, rows with a negative one are left out. */
export function addRows(x: Tensor, index: Tensor, out: Tensor): void {
  addon().add_rows(x.handle, index.handle, out.handle)
}

/** out[index[i]] = x[i] */
export function scatterRows(x: Tensor, index: Tensor, out: Tensor): void {
  addon().scatter_rows(x.handle, index.handle, out.handle)
}
