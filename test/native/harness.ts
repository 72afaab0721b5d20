import { expect } from 'vitest'
import { addon } from '../../src/native/addon'
import type { DeviceHandle, NativeAddon, TensorHandle } from '../../src/native/contract'
import { decode, encode } from '../../src/tensor/convert'
import { itemsize, type DType, type FloatDType } from '../../src/tensor/dtype'

export const native: NativeAddon = addon()
export const cpu: DeviceHandle = native.open_device('cpu')

export const floatDTypes: readonly FloatDType[] = ['float32', 'bfloat16', 'float16']
export const guard = 64

/** A tensor of `values`, rounded to dtype. */
export function tensor(values: ArrayLike<number>, shape: number[], dtype: DType = 'float32'): TensorHandle {
  const t = native.tensor_empty(cpu, dtype, shape)
  native.tensor_write(t, encode(values, dtype))
  return t
}

/** A tensor to be written by an operation: every byte is 0xff (a NaN in each float dtype), and so are guard bands around it. */
export class Output {
  readonly handle: TensorHandle
  private readonly whole: TensorHandle
  private readonly bytes: number

  constructor(
    readonly shape: number[],
    readonly dtype: DType = 'float32',
    values?: ArrayLike<number>,
  ) {
    this.bytes = shape.reduce((a, b) => a * b, 1) * itemsize[dtype]
    this.whole = native.tensor_empty(cpu, 'uint8', [this.bytes + 2 * guard])
    native.tensor_write(this.whole, new Uint8Array(this.bytes + 2 * guard).fill(0xff))
    this.handle = native.tensor_view(this.whole, dtype, shape, guard)
    if (values) native.tensor_write(this.handle, encode(values, dtype))
  }

  /** The values; fails when an operation wrote outside the tensor. */
  async read(): Promise<Float64Array> {
    const all = new Uint8Array(await native.tensor_read(this.whole))
    const outside = [...all.subarray(0, guard), ...all.subarray(guard + this.bytes)]
    expect(outside.every((byte) => byte === 0xff)).toBe(true)
    return Float64Array.from(
      decode(all.slice(guard, guard + this.bytes).buffer, this.dtype) as ArrayLike<number>,
    )
  }
}

export async function read(t: TensorHandle, dtype: DType = 'float32'): Promise<Float64Array> {
  return Float64Array.from(decode(await native.tensor_read(t), dtype) as ArrayLike<number>, Number)
}

/** The numbers a tensor of this dtype holds when it is given `values`. */
export function rounded(values: ArrayLike<number>, dtype: FloatDType): Float64Array {
  const bytes = encode(values, dtype)
  return Float64Array.from(decode(bytes.slice().buffer, dtype) as ArrayLike<number>)
}

/** Standard normal numbers, the same for the same seed. */
export function normals(n: number, seed: number): Float64Array {
  let state = seed >>> 0
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return Float64Array.from(
    { length: n },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  )
}

/** Frobenius norm of the difference over that of the reference; NaN when either holds one. */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length)
  let difference = 0
  let norm = 0
  for (let i = 0; i < want.length; i++) {
    difference += (got[i]! - want[i]!) ** 2
    norm += want[i]! ** 2
  }
  return difference === 0 ? 0 : Math.sqrt(difference / norm)
}

export function expectRelative(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number): void {
  const error = relativeError(got, want)
  if (!(error <= tolerance)) expect.fail(`relative error ${error}, tolerance ${tolerance}`)
}

export function expectAbsolute(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number): void {
  expect(got.length).toBe(want.length)
  for (let i = 0; i < want.length; i++) {
    if (!(Math.abs(got[i]! - want[i]!) <= tolerance)) {
      expect.fail(`element ${i}: ${got[i]} instead of ${want[i]}, tolerance ${tolerance}`)
    }
  }
}

/** Central differences of a scalar function of x, in double. */
export function finiteDifferences(
  f: (x: Float64Array) => number,
  x: Float64Array,
  step = 1e-5,
): Float64Array {
  return x.map((value, i) => {
    const at = (v: number): number => {
      const moved = x.slice()
      moved[i] = v
      return f(moved)
    }
    return (at(value + step) - at(value - step)) / (2 * step)
  })
}

/** Rejects with the error of an operation that fails when it runs. */
export async function running(): Promise<void> {
  await native.synchronize(cpu)
}
