import { onTestFinished } from 'vitest'
import { uniformStream } from '../../src/tensor/uniform-stream'
import type { Context } from '../../src/nn/context'
import { Device } from '../../src/tensor/device'
import { Tensor } from '../../src/tensor/tensor'

/** Rows of numbers, as readable references take them. */
export type Matrix = number[][]

export function random(rows: number, cols: number, seed: number): Matrix {
  const uniform = uniformStream(seed)
  return Array.from({ length: rows }, () =>
    Array.from({ length: cols }, () => Math.fround(2 * uniform() - 1)),
  )
}

export function tensor(m: Matrix): Tensor {
  return Tensor.from(m.flat(), { shape: [m.length, m[0]!.length] })
}

/** a @ b, b transposed when asked. */
export function product(a: Matrix, b: Matrix, transposeB: boolean = false): Matrix {
  const columns = transposeB ? b : b[0]!.map((_, j) => b.map((row) => row[j]!))
  return a.map((row) => columns.map((column) => row.reduce((sum, v, k) => sum + v * column[k]!, 0)))
}

export function transposed(m: Matrix): Matrix {
  return m[0]!.map((_, j) => m.map((row) => row[j]!))
}

/** Largest distance of a tensor from a matrix; NaN when there is one. */
export async function distance(t: Tensor, expected: Matrix): Promise<number> {
  const flat = expected.flat()
  const values = await t.data()
  if (values.length !== flat.length) return NaN
  return values.reduce((most, v, i) => Math.max(most, Math.abs(v - flat[i]!)), 0)
}

/** A pass over one sequence of T tokens; its temporaries go with the test. */
export function context(tokens: number, more: Partial<Context> = {}): Context {
  const scope = Device.get('cpu').scope()
  onTestFinished(() => scope.dispose())
  const positions = scope.add(Tensor.from(Int32Array.from({ length: tokens }, (_, t) => t)))
  const cuSeqlens = scope.add(Tensor.from(Int32Array.of(0, tokens)))
  return { scope, positions, cuSeqlens, reach: tokens, maxLength: tokens, ...more }
}
