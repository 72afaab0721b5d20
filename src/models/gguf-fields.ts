import type { GgufFile } from '../files/gguf'
import { attentionFactor } from '../nn/rope-frequencies'
import { ggufNumber, shortestFloat32 } from './gguf-names'
import { slidingButEvery } from './layer-kinds'

// Fields of a configuration that GGUF files of some families store differently, or not at all; as llama.cpp
// reads them.

/** The tensors of 'longrope' files: the factors for short sequences, and for long ones. */
export const ROPE_FACTORS: readonly string[] = ['rope_factors_short.weight', 'rope_factors_long.weight']

/** `rope_scaling` of a file with lists of factors; undefined if it has none. */
export async function longRopeFactors(file: GgufFile): Promise<Record<string, unknown> | undefined> {
  const has = (name: string): boolean => file.tensors.some((tensor) => tensor.name === name)
  const [short, long] = ROPE_FACTORS as [string, string]
  if (!has(short) && !has(long)) return undefined
  for (const name of [short, long])
    if (!has(name)) throw new Error(`${file.path}: the file has no tensor '${name}'`)
  const list = async (name: string): Promise<number[]> => Array.from(await file.read(name), shortestFloat32)
  const prefix = String(file.metadata['general.architecture'])
  const number = (key: string): number => shortestFloat32(ggufNumber(file.metadata, `${prefix}.${key}`))
  return {
    rope_type: 'longrope',
    short_factor: await list(short),
    long_factor: await list(long),
    attention_factor: number('rope.scaling.attn_factor'),
    original_max_position_embeddings: number('rope.scaling.original_context_length'),
  }
}

/** @throws Error on an unsupported kind of scaling. */
export function readRopeScaling(file: GgufFile): Record<string, unknown> | null {
  const prefix = String(file.metadata['general.architecture'])
  const type = file.metadata[`${prefix}.rope.scaling.type`] ?? 'none'
  // The lists of a 'longrope' file are tensors.
  if (type === 'none' || type === 'longrope') return null
  const number = (key: string, standard?: number): number =>
    standard !== undefined && file.metadata[`${prefix}.rope.scaling.${key}`] === undefined
      ? standard
      : shortestFloat32(ggufNumber(file.metadata, `${prefix}.rope.scaling.${key}`))
  if (type === 'linear') return { rope_type: 'linear', factor: number('factor') }
  if (type !== 'yarn')
    throw new Error(`${file.path}: RoPE scaling '${String(type)}' is not supported; supported: linear, yarn`)
  const mscale_all_dim = number('yarn_log_multiplier', 0)
  const yarn = {
    ...{ rope_type: 'yarn', rope_theta: 1, factor: number('factor') },
    original_max_position_embeddings: number('original_context_length'),
    ...{ beta_fast: number('yarn_beta_fast', 32), beta_slow: number('yarn_beta_slow', 1) },
    ...(mscale_all_dim > 0 && { mscale: 1, mscale_all_dim }),
  }
  const more = number('attn_factor', 1)
  const { rope_theta: _, ...scaling } = yarn
  return { ...scaling, ...(more !== 1 && { attention_factor: attentionFactor(yarn) * more }) }
}

/** Fields of the layers: their kinds, the share of a head that is rotated, the scale of attention. */
export function ggufLayerFields(file: GgufFile, modelType: string): Record<string, unknown> {
  const prefix = String(file.metadata['general.architecture'])
  const number = (key: string): number => ggufNumber(file.metadata, `${prefix}.${key}`)
  const headDim = (): number => number('attention.key_length')
  switch (modelType) {
    case 'phi3': {
      const width = number('embedding_length') / number('attention.head_count')
      return {
        partial_rotary_factor: number('rope.dimension_count') / width,
        original_max_position_embeddings: number('rope.scaling.original_context_length'),
      }
    }
    case 'gemma2':
    case 'gemma3_text': {
      // The largest model of each generation scales by 1 / sqrt(hidden / heads), the others by 1 / sqrt(head
      // size). No file contains this.
      const largest = modelType === 'gemma2' ? 46 : 62
      const isLargest = number('block_count') === largest
      const query_pre_attn_scalar = isLargest
        ? number('embedding_length') / number('attention.head_count')
        : headDim()
      const local = file.metadata[`${prefix}.rope.freq_base_swa`]
      return {
        query_pre_attn_scalar,
        ...layerTypes(file, prefix),
        ...(modelType === 'gemma3_text' &&
          typeof local === 'number' && { rope_local_base_freq: shortestFloat32(local) }),
      }
    }
    case 'olmo3': {
      if (file.metadata[`${prefix}.rope.scaling.attn_factor`] !== undefined)
        throw new Error(
          `${file.path}: rope.scaling.attn_factor of an OLMo 3 is read in two ways by programs and is not supported; use the safetensors model`,
        )
      // Layers with a window turn by the same base, which is not scaled.
      const rope_theta = shortestFloat32(number('rope.freq_base'))
      const full_attention = { rope_theta, ...readRopeScaling(file) }
      const rope_parameters = { full_attention, sliding_attention: { rope_theta } }
      return { rope_parameters, ...layerTypes(file, prefix) }
    }
    case 'ministral3': {
      const beta = file.metadata[`${prefix}.attention.temperature_scale`]
      const rope_parameters = {
        ...{ rope_theta: shortestFloat32(number('rope.freq_base')), ...readRopeScaling(file) },
        ...(typeof beta === 'number' && beta > 0 && { llama_4_scaling_beta: shortestFloat32(beta) }),
      }
      return { rope_parameters }
    }
    default:
      return {}
  }
}

/** The list of layers with a window, if the file has one. */
function layerTypes(file: GgufFile, prefix: string): Record<string, unknown> {
  const pattern = file.metadata[`${prefix}.attention.sliding_window_pattern`]
  if (typeof pattern === 'number') {
    const layers = ggufNumber(file.metadata, `${prefix}.block_count`)
    return { layer_types: Array.from({ length: layers }, (_, index) => slidingButEvery(pattern, index)) }
  }
  if (!Array.isArray(pattern)) return {}
  return { layer_types: pattern.map((slides) => (slides ? 'sliding_attention' : 'full_attention')) }
}
