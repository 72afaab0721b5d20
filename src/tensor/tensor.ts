import { checkNames } from '../options/parse'
import { addon } from '../native/addon'
import type { TensorHandle } from '../native/contract'
import { decode, encode, type TensorData } from './convert'
import { Device } from './device'
import { itemsize, type DType } from './dtype'

export interface TensorOptions {
  /** Default: float32 for numbers and Float32Array, int32 for Int32Array, int64 for BigInt64Array, uint8 for Uint8Array. */
  dtype?: DType
  /** Default: one axis with all elements. */
  shape?: readonly number[]
  /** A device or its name. Default: 'cpu'. */
  device?: Device | string
}

/**
 * A contiguous, row-major array on a device. Operations on it are enqueued and return at once; `await t.data()` waits
 * for them. Memory is freed by `dispose()` (or a scope), not by the garbage collector.
 */
export class Tensor {
  private disposed = false

  constructor(
    /** The native tensor. @internal */
    readonly handle: TensorHandle,
    readonly shape: readonly number[],
    readonly dtype: DType,
    readonly device: Device,
  ) {}

  /**
   * Copies an array to a device.
   * @throws Error when the number of elements does not fit the shape.
   */
  static from(array: ArrayLike<number> | BigInt64Array, options: TensorOptions = {}): Tensor {
    checkNames<TensorOptions>('Tensor.from', options, ['dtype', 'shape', 'device'])
    const dtype = options.dtype ?? defaultDType(array)
    const shape = options.shape ?? [array.length]
    const numel = shape.reduce((n, d) => n * d, 1)
    if (numel !== array.length) {
      throw new Error(
        `[Tensor.from] shape (${shape.join(', ')}) has ${numel} elements, the array has ${array.length}`,
      )
    }
    const device = options.device instanceof Device ? options.device : Device.get(options.device)
    const tensor = device.empty(shape, dtype)
    tensor.write(encode(array, dtype))
    return tensor
  }

  get numel(): number {
    return this.shape.reduce((n, d) => n * d, 1)
  }

  get nbytes(): number {
    return this.numel * itemsize[this.dtype]
  }

  /** Size of the last axis. */
  get cols(): number {
    return this.shape[this.shape.length - 1] ?? 1
  }

  /** Product of all axes but the last. */
  get rows(): number {
    return this.shape.slice(0, -1).reduce((n, d) => n * d, 1)
  }

  get isDisposed(): boolean {
    return this.disposed
  }

  /**
   * The same bytes with another shape; `offset` counts elements. Do not use the view after the memory was
   * freed.
   */
  view(shape: readonly number[], offset = 0): Tensor {
    return this.reinterpret(this.dtype, shape, offset * itemsize[this.dtype])
  }

  /** The same bytes as another dtype and shape, from a byte offset. */
  reinterpret(dtype: DType, shape: readonly number[], byteOffset = 0): Tensor {
    return new Tensor(addon().tensor_view(this.handle, dtype, shape, byteOffset), shape, dtype, this.device)
  }

  /** Rows [begin, end) of a matrix, sharing memory. */
  slice(begin: number, end: number): Tensor {
    return this.view(
      [end - begin, ...this.shape.slice(1)],
      begin * this.shape.slice(1).reduce((n, d) => n * d, 1),
    )
  }

  /** Overwrites the contents with raw bytes in this dtype. */
  write(bytes: Uint8Array): void {
    addon().tensor_write(this.handle, bytes)
  }

  /**
   * The contents: a Float32Array for float dtypes (16-bit ones are widened); Int32Array, BigInt64Array or
   * Uint8Array for the others, where you name the type: `data<Int32Array>()`. Waits for everything enqueued
   * before.
   */
  data(): Promise<Float32Array>
  data<T extends TensorData>(): Promise<T>
  async data(): Promise<TensorData> {
    return decode(await addon().tensor_read(this.handle), this.dtype)
  }

  /** The contents as stored. */
  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await addon().tensor_read(this.handle))
  }

  /** The single element of a one-element tensor. */
  async item(): Promise<number> {
    if (this.numel !== 1)
      throw new Error(`[Tensor.item] expected one element, shape is (${this.shape.join(', ')})`)
    return Number((await this.data())[0])
  }

  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    addon().tensor_release(this.handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  toString(): string {
    return `Tensor(shape=(${this.shape.join(', ')}), dtype=${this.dtype}, device=${this.device.name})`
  }
}

function defaultDType(array: ArrayLike<number> | BigInt64Array): DType {
  if (array instanceof Int32Array) return 'int32'
  if (array instanceof BigInt64Array) return 'int64'
  if (array instanceof Uint8Array) return 'uint8'
  if (array instanceof Int8Array) return 'int8'
  return 'float32'
}
