import type { Parameter } from '../nn/parameter'
import { fill } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

/** How moments are kept; the spelling is bitsandbytes'. */
export interface StateOptions {
  /** 8: block-wise codes, one maximum for 256 values; tensors below 4096 elements keep float32 all the same. Default 32. */
  optim_bits?: 8 | 32
  /**
   * Keep the state of tensors with 100,000 elements or more in page-locked host memory; updates take it to the device part by
   * part. On the CPU, where all memory is the host's, it only adds the copies. Default false.
   */
  is_paged?: boolean
}

const min8bitSize = 4096
const minPagedSize = 100_000
const blockSize = 256

/** A parameter's moments: one float32 tensor each, or two when coded: uint8 codes, then the maxima of their blocks. */
export interface ParameterState {
  readonly isCoded: boolean
  readonly isPaged: boolean
  readonly tensors: readonly Tensor[]
}

/** State at the start: all zero, as bitsandbytes begins. */
export function newState(p: Parameter, moments: number, options: StateOptions): ParameterState {
  const { device, shape } = p.data
  const isCoded = options.optim_bits === 8 && p.numel >= min8bitSize
  const isPaged = options.is_paged === true && p.numel >= minPagedSize
  const zeros = (size: readonly number[], dtype: 'float32' | 'uint8'): Tensor => {
    const t = isPaged ? device.emptyPinned(size, dtype) : device.empty(size, dtype)
    fill(t, 0)
    return t
  }
  const moment = (): Tensor[] =>
    isCoded
      ? [zeros(shape, 'uint8'), zeros([Math.ceil(p.numel / blockSize)], 'float32')]
      : [zeros(shape, 'float32')]
  return { isCoded, isPaged, tensors: Array.from({ length: moments }, moment).flat() }
}
