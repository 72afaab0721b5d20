import type { PretrainedConfig } from './config'
import { layerTypes, type LayerType } from './rope-config'

// Which layers of a model are of which kind, according to its configuration.

/**
 * The kind of a layer: its entry in `layer_types`, or without that list the family's default.
 * @throws Error on a list that does not fit the layers.
 */
export function layerType(config: PretrainedConfig, index: number, otherwise: LayerType): LayerType {
  const types = config.field('layer_types') ?? undefined
  if (types === undefined) return otherwise
  const count = config.num_hidden_layers
  if (
    !Array.isArray(types) ||
    types.length !== count ||
    !types.every((type) => layerTypes.includes(type as LayerType))
  )
    throw new Error(
      `config: 'layer_types' must name ${count} layers, each ${layerTypes.join(' or ')}; got ${JSON.stringify(types)}`,
    )
  return types[index] as LayerType
}

/** A window in all layers except every `interval`th. */
export function slidingButEvery(interval: number, index: number): LayerType {
  return (index + 1) % interval === 0 ? 'full_attention' : 'sliding_attention'
}

/**
 * `sliding_window` if the layer has one, according to `layer_types`, or without that list to the family; else
 * 0.
 * @throws Error on a window that is no positive integer, or a list that does not fit the layers.
 */
export function slidingWindow(config: PretrainedConfig, index: number, otherwise: boolean): number {
  const window = config.field('sliding_window')
  if (window === null) return 0
  if (typeof window !== 'number' || !Number.isInteger(window) || window < 1) {
    throw new Error(
      `config: 'sliding_window' must be a positive integer or null, got ${JSON.stringify(window)}`,
    )
  }
  const type = layerType(config, index, otherwise ? 'sliding_attention' : 'full_attention')
  return type === 'sliding_attention' ? window : 0
}

/**
 * Which layers have a rotary embedding: those with 1 in `no_rope_layers`, or all except every
 * `no_rope_layer_interval`th.
 * @throws Error on an invalid list or interval.
 */
export function rotatedLayers(config: PretrainedConfig): boolean[] {
  const count = config.num_hidden_layers
  const list = config.field('no_rope_layers') ?? undefined
  if (list === undefined) {
    const interval = positiveInteger(config, 'no_rope_layer_interval')
    return Array.from({ length: count }, (_, i) => (i + 1) % interval !== 0)
  }
  if (!Array.isArray(list) || list.length !== count || !list.every((flag) => flag === 0 || flag === 1))
    throw new Error(
      `config: 'no_rope_layers' must have ${count} entries, each 0 or 1; got ${JSON.stringify(list)}`,
    )
  return list.map((flag) => flag === 1)
}

/** @throws Error when the field is not one. */
export function positiveInteger(config: PretrainedConfig, key: string): number {
  const value = config.field(key)
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
  throw new Error(`config: '${key}' must be a positive integer, got ${JSON.stringify(value)}`)
}

/** @throws Error when the field is not one. */
export function positiveNumber(config: PretrainedConfig, key: string): number {
  const value = config.field(key)
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value
  throw new Error(`config: '${key}' must be a positive number, got ${JSON.stringify(value)}`)
}

/** Undefined if the field is null. @throws Error when it is neither null nor a positive number. */
export function optionalPositive(config: PretrainedConfig, key: string): number | undefined {
  return (config.field(key) ?? null) === null ? undefined : positiveNumber(config, key)
}
