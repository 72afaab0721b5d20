import type { TensorInfo } from '../files/safetensors'
import type { Device } from '../tensor/device'
import { fromSafetensorsDType, isFloat, itemsize, type DType, type FloatDType } from '../tensor/dtype'
import { copy } from '../tensor/ops'
import { readInto } from '../tensor/safetensors'
import { FiniteCheck } from '../tensor/finite-check'
import type { Tensor } from '../tensor/tensor'
import type { WeightSource } from './weights'

/** Bytes read at a time from a tensor that will be quantized or converted. */
const SLICE_BYTES = 32 << 20
/** Number of slices in progress at a time: one each for the file, the bus and the device to work on. */
const IN_FLIGHT = 4

/** Quantizes a matrix that comes in parts. */
export interface PartQuantizer {
  /** A part begins at a multiple of so many values of the flattened matrix. */
  readonly unit: number
  /** Takes the values from `first` on. */
  add(x: Tensor, first?: number): void
  dispose(): void
}

/**
 * Copies weights from a source to a device. Several loads may run at the same time; only a few slices are in
 * progress, so the memory beyond the weights themselves is bounded. After a failure or an abort, no new read is
 * started.
 */
export class WeightStream {
  private running = 0
  private readonly waiting: (() => void)[] = []
  private failure: { error: unknown } | undefined
  /** Checks all values that pass through; the owner of the stream finishes it. */
  readonly finite: FiniteCheck = new FiniteCheck()

  constructor(
    private readonly source: WeightSource,
    private readonly device: Device,
    private readonly dtype: FloatDType,
    private readonly signal?: AbortSignal | undefined,
    /** A multiple of 16 KiB, so that a slice begins at a block boundary for any block size. */
    private readonly sliceBytes: number = SLICE_BYTES,
  ) {}

  /** The whole tensor in the requested dtype. The caller owns it. */
  async tensor(name: string): Promise<Tensor> {
    const info = this.source.location?.(name)
    if (!info) return this.turn(() => this.source.load(name, this.device, this.dtype))
    const stored = floatOf(info)
    const out = this.device.empty(info.shape, this.dtype)
    try {
      if (stored === this.dtype) {
        await this.turn(() => readInto(out, info.file, info.offset))
        this.finite.add(info, out)
      } else
        await this.slices(info, stored, (slice, first) => {
          using view = out.view(slice.shape, first)
          copy(slice, view)
        })
      return out
    } catch (error) {
      out.dispose()
      throw error
    }
  }

  /** Quantizes a matrix [out, in]; only a slice of it is on the device in full at a time. The caller owns the result. */
  async quantized<Q extends PartQuantizer>(
    key: string,
    quantizerOf: (shape: readonly [number, number], dtype: FloatDType) => Q,
  ): Promise<Q> {
    const shape = this.source.shape(key)
    const quantizer = quantizerOf([shape[0]!, shape[1]!], this.dtype)
    const info = this.source.location?.(key)
    try {
      if (info) {
        const take = (slice: Tensor, first: number): void => {
          using x = this.converted(slice)
          quantizer.add(x, first)
        }
        await this.slices(info, floatOf(info), take, quantizer.unit)
      } else {
        await this.turn(async () => {
          using x = await this.source.load(key, this.device, this.dtype)
          quantizer.add(x)
          // A source that computes its values would run ahead of the device: many full matrices would be in
          // memory at once.
          await this.device.synchronize()
        })
      }
      return quantizer
    } catch (error) {
      quantizer.dispose()
      throw error
    }
  }

  /** The flattened values as stored, in slices that `take` enqueues work on, in no particular order. */
  private async slices(
    info: TensorInfo,
    dtype: DType,
    take: (slice: Tensor, first: number) => void,
    /** A slice begins at a multiple of so many values. */
    unit = 1,
  ): Promise<void> {
    const size = itemsize[dtype]
    const step = Math.max(1, Math.floor(this.sliceBytes / size / unit)) * unit
    const total = info.nbytes / size
    const firsts = Array.from({ length: Math.ceil(total / step) }, (_, i) => i * step)
    await allSettled(
      firsts.map((first) =>
        this.turn(async () => {
          using slice = this.device.empty([Math.min(step, total - first)], dtype)
          await readInto(slice, info.file, info.offset + first * size)
          this.finite.add(info, slice)
          take(slice, first)
        }),
      ),
    )
  }

  private converted(slice: Tensor): Tensor {
    if (slice.dtype === this.dtype) return slice
    const out = this.device.empty(slice.shape, this.dtype)
    copy(slice, out)
    return out
  }

  private async turn<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= IN_FLIGHT) await new Promise<void>((resolve) => this.waiting.push(resolve))
    else this.running++
    try {
      this.signal?.throwIfAborted()
      if (this.failure) throw this.failure.error
      return await work()
    } catch (error) {
      this.failure ??= { error }
      throw error
    } finally {
      const next = this.waiting.shift()
      if (next) next()
      else this.running--
    }
  }
}

/**
 * Waits for all promises even if one fails, so that the results of the others can be freed. @throws the first
 * failure.
 */
export async function allSettled<const T extends readonly Promise<unknown>[]>(
  promises: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(promises)
  return Promise.all(promises)
}

function floatOf(info: TensorInfo): FloatDType {
  const dtype = fromSafetensorsDType(info.dtype)
  if (!isFloat(dtype)) throw new Error(`'${info.name}' is ${dtype}; expected a float dtype`)
  return dtype
}
