import { addon } from '../native/addon'
import type { Device } from '../tensor/device'
import { Tensor } from '../tensor/tensor'

/** The rotary part of a config: `rope_parameters` (transformers 5) or `rope_theta` + `rope_scaling` (4.x). */
export interface RopeParameters {
  rope_type: string
  rope_theta: number
  factor?: number
  low_freq_factor?: number
  high_freq_factor?: number
  original_max_position_embeddings?: number
}

/**
 * inv_freq[i] = theta^(-2i / head_dim), i < head_dim / 2. 'linear' divides all by factor; 'llama3' divides those of long
 * wavelength (> original / low), keeps the short (< original / high) and interpolates between (Llama 3.1's release).
 * @throws Error on a rope_type other than default, linear, llama3; on a factor that is missing or not positive.
 */
export function inverseFrequencies(headDim: number, rope: RopeParameters): Float32Array {
  const base = Float32Array.from({ length: headDim / 2 }, (_, i) =>
    Math.fround(1 / Math.fround(Math.pow(rope.rope_theta, Math.fround((2 * i) / headDim)))),
  )
  switch (rope.rope_type) {
    case 'default':
      return base
    case 'linear':
      return base.map((f) => f / required(rope, 'factor'))
    case 'llama3': {
      const factor = required(rope, 'factor')
      const low = required(rope, 'low_freq_factor')
      const high = required(rope, 'high_freq_factor')
      const original = required(rope, 'original_max_position_embeddings')
      if (high <= low)
        throw new Error(`rope_type 'llama3': high_freq_factor ${high} must be above low_freq_factor ${low}`)
      return base.map((f) => {
        const wavelength = (2 * Math.PI) / f
        if (wavelength < original / high) return f
        if (wavelength > original / low) return f / factor
        const smooth = (original / wavelength - low) / (high - low)
        return ((1 - smooth) * f) / factor + smooth * f
      })
    }
    default:
      throw new Error(`rope_type '${rope.rope_type}' is not supported; supported: default, linear, llama3`)
  }
}

function required(rope: RopeParameters, key: keyof RopeParameters): number {
  const value = rope[key]
  if (typeof value !== 'number' || !(value > 0 && Number.isFinite(value)))
    throw new Error(
      `rope_type '${rope.rope_type}' needs a positive number '${key}' in the config, got ${JSON.stringify(value)}`,
    )
  return value
}

/** Rotates the heads of q or k by angles position * inv_freq. */
export class RotaryEmbedding {
  readonly invFreq: Tensor

  constructor(
    readonly headDim: number,
    rope: RopeParameters,
    device: Device,
  ) {
    this.invFreq = Tensor.from(inverseFrequencies(headDim, rope), { device })
  }

  /** x [T, heads * headDim] into `out`, by default in place; `inverse` is the backward. */
  rotate(x: Tensor, positions: Tensor, inverse = false, out: Tensor = x): void {
    addon().rope(x.handle, positions.handle, this.invFreq.handle, out.handle, this.headDim, 1, inverse)
  }

  dispose(): void {
    this.invFreq.dispose()
  }
}
