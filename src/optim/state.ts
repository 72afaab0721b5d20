import type { Parameter } from '../nn/parameter'
import type { Tensor } from '../tensor/tensor'

/** How moments are kept; the spelling is bitsandbytes'. */
export interface StateOptions {
  /**
   * 8: block-wise codes with one maximum per 256 values; tensors with fewer than 4096 elements keep float32.
   * Default 32.
   */
  optim_bits?: 8 | 32
  /**
   * Keep the state of tensors with 100,000 elements or more in page-locked host memory; updates copy it to the
   * device in parts. On the CPU, where all memory is the host's, this only adds the copies. Default false.
   */
  is_paged?: boolean
}

const min8bitSize = 4096
const minPagedSize = 100_000
const blockSize = 256

/**
 * A parameter's moments: one float32 tensor each, or two tensors if coded: uint8 codes, then the maxima of
 * their blocks.
 */
export interface ParameterState {
  readonly isCoded: boolean
  readonly isPaged: boolean
  readonly tensors: readonly Tensor[]
}

/** The tensors that make up a parameter's state. */
export interface StateLayout extends Pick<ParameterState, 'isCoded' | 'isPaged'> {
  readonly tensors: readonly { readonly shape: readonly number[]; readonly dtype: 'float32' | 'uint8' }[]
}

export function stateLayout(p: Parameter, moments: number, options: StateOptions): StateLayout {
  const isCoded = options.optim_bits === 8 && p.numel >= min8bitSize
  const isPaged = options.is_paged === true && p.numel >= minPagedSize && moments > 0
  const { shape } = p.data
  const moment: StateLayout['tensors'] = isCoded
    ? [
        { shape, dtype: 'uint8' },
        { shape: [Math.ceil(p.numel / blockSize)], dtype: 'float32' },
      ]
    : [{ shape, dtype: 'float32' }]
  return { isCoded, isPaged, tensors: Array.from({ length: moments }, () => moment).flat() }
}
