/** The rotary part of a config: `rope_parameters` (transformers 5) or `rope_theta` + `rope_scaling` (4.x). */
export interface RopeParameters {
  rope_type: string
  rope_theta: number
  factor?: number
  /** Share of a head that is rotated. Default: 1. */
  partial_rotary_factor?: number
  low_freq_factor?: number
  high_freq_factor?: number
  original_max_position_embeddings?: number
  /** Of 'dynamic': up to this position nothing is scaled. */
  max_position_embeddings?: number
  beta_fast?: number
  beta_slow?: number
  /** Of 'yarn': whether the range between the betas is widened to whole numbers. Default: true. */
  truncate?: boolean
  mscale?: number
  /**
   * Of Ministral 3: queries are multiplied by 1 + this * log(1 + floor(position /
   * original_max_position_embeddings)).
   */
  llama_4_scaling_beta?: number
  mscale_all_dim?: number
  /** Factor of cosines and sines. Default: that of the rope_type. */
  attention_factor?: number
  short_factor?: readonly number[]
  long_factor?: readonly number[]
}

const f32 = Math.fround

/**
 * inv_freq[i] = theta^(-2i / n), i < n / 2, for the n = headDim * partial_rotary_factor numbers of a head that
 * are rotated.
 * - 'linear' divides all by factor.
 * - 'llama3' divides those of long wavelength (> original / low), keeps the short ones (< original / high) and
 * interpolates between them (Llama 3.1's release).
 * - 'yarn' interpolates along the index, between the frequencies that turn beta_fast and beta_slow times over
 * the original length (arXiv 2309.00071).
 * - 'dynamic' raises theta with the pass's length `reach` (NTK).
 * - 'longrope' divides each by its number in short_factor, or in long_factor if `reach` is past the original
 * length.
 * @throws Error on another rope_type; on a number that is missing or not positive; on a list of the wrong
 * length.
 */
export function inverseFrequencies(headDim: number, rope: RopeParameters, reach = 0): Float32Array {
  const dim = rotatedDim(headDim, rope)
  const powers = (theta: number): Float32Array =>
    Float32Array.from({ length: dim / 2 }, (_, i) => Math.pow(theta, f32((2 * i) / dim)))
  const base = (): Float32Array => powers(rope.rope_theta).map((power) => 1 / power)
  switch (rope.rope_type) {
    case 'default':
      return base()
    case 'linear':
      return base().map((f) => f / required(rope, 'factor'))
    case 'llama3':
      return llama3(base(), rope)
    case 'yarn':
      return yarn(powers(rope.rope_theta), dim, rope)
    case 'dynamic': {
      const factor = required(rope, 'factor')
      const most = required(rope, 'max_position_embeddings')
      const growth = (factor * Math.max(reach, most)) / most - (factor - 1)
      return powers(rope.rope_theta * Math.pow(growth, dim / (dim - 2))).map((power) => 1 / power)
    }
    case 'longrope': {
      const past = pastOriginal(reach, rope) > 0
      const factors = factorList(rope, past ? 'long_factor' : 'short_factor', dim / 2)
      return powers(rope.rope_theta).map((power, i) => 1 / f32(f32(factors[i]!) * power))
    }
    default:
      throw new Error(
        `rope_type '${rope.rope_type}' is not supported; supported: default, linear, llama3, yarn, dynamic, longrope`,
      )
  }
}

/**
 * `reach` if the frequencies of such a pass differ from those of a short one, else 0. Equal results mean equal
 * frequencies.
 */
export function pastOriginal(reach: number, rope: RopeParameters): number {
  if (rope.rope_type === 'dynamic') return reach > required(rope, 'max_position_embeddings') ? reach : 0
  if (rope.rope_type !== 'longrope') return 0
  const original = required(rope, 'original_max_position_embeddings')
  return reach > original ? original + 1 : 0
}

/** Factor of cosines and sines. */
export function attentionFactor(rope: RopeParameters): number {
  if (rope.rope_type !== 'yarn' && rope.rope_type !== 'longrope') return 1
  if (rope.attention_factor != null) return required(rope, 'attention_factor')
  const factor = required(rope, 'factor')
  if (factor <= 1) return 1
  if (rope.rope_type === 'longrope') {
    const original = required(rope, 'original_max_position_embeddings')
    return Math.sqrt(1 + Math.log(factor) / Math.log(original))
  }
  const scale = (mscale = 1): number => 0.1 * mscale * Math.log(factor) + 1
  return rope.mscale && rope.mscale_all_dim ? scale(rope.mscale) / scale(rope.mscale_all_dim) : scale()
}

function rotatedDim(headDim: number, { partial_rotary_factor: share = 1 }: RopeParameters): number {
  const dim = Math.trunc(headDim * share)
  if (!(share > 0 && share <= 1) || dim < 2 || dim % 2 !== 0)
    throw new Error(
      `partial_rotary_factor ${share} of a head of ${headDim} leaves ${dim} to rotate; expected an even number of them`,
    )
  return dim
}

function llama3(base: Float32Array, rope: RopeParameters): Float32Array {
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

function yarn(powers: Float32Array, dim: number, rope: RopeParameters): Float32Array {
  const factor = required(rope, 'factor')
  const original = required(rope, 'original_max_position_embeddings')
  // The index of the frequency that turns this many times over the original length.
  const indexOf = (turns: number): number =>
    (dim * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(rope.rope_theta))
  let low = indexOf(rope.beta_fast || 32)
  let high = indexOf(rope.beta_slow || 1)
  if (rope.truncate !== false) [low, high] = [Math.floor(low), Math.ceil(high)]
  low = Math.max(low, 0)
  high = Math.min(high, dim - 1)
  if (low === high) high += 0.001
  return powers.map((power, i) => {
    const interpolated = Math.min(Math.max((i - low) / (high - low), 0), 1)
    return (1 / (factor * power)) * interpolated + (1 / power) * (1 - interpolated)
  })
}

function factorList(
  rope: RopeParameters,
  key: 'short_factor' | 'long_factor',
  length: number,
): readonly number[] {
  const list = rope[key]
  const isFactor = (value: unknown): boolean =>
    typeof value === 'number' && value > 0 && Number.isFinite(value)
  if (!Array.isArray(list) || list.length !== length || !list.every(isFactor))
    throw new Error(
      `rope_type 'longrope' needs '${key}' with ${length} positive numbers, got ${JSON.stringify(list)?.slice(0, 80)}`,
    )
  return list as number[]
}

function required(rope: RopeParameters, key: keyof RopeParameters): number {
  const value = rope[key]
  if (typeof value !== 'number' || !(value > 0 && Number.isFinite(value)))
    throw new Error(
      `rope_type '${rope.rope_type}' needs a positive number '${key}' in the config, got ${JSON.stringify(value)}`,
    )
  return value
}
