import type { Blueprint, LayerBlueprint } from './blueprint'
import type { PretrainedConfig } from './config'
import { decoder, decoderLayer, type DecoderScales, type LayerTraits } from './decoder-blueprint'

/** A decoder family: how a configuration of this `model_type` becomes a description of the modules. */
export interface Family {
  /** transformers' class, e.g. `LlamaForCausalLM`. */
  architecture: string
  /** Fields that a config.json may leave out and that are then not Llama's, as transformers' configuration class has them. */
  defaults?: Readonly<Record<string, unknown>>
  layer: (config: PretrainedConfig, index: number) => LayerBlueprint
  /** Default: none. */
  scales?: (config: PretrainedConfig) => DecoderScales
  /** GGUF's `general.architecture`, and whether such files interleave the halves of each head of q and k. */
  gguf: { architecture: string; interleavesHeads: boolean }
}

/** What Qwen2 and Qwen3 have alike. */
const qwenDefaults = {
  ...{ num_key_value_heads: 32, max_position_embeddings: 32768, sliding_window: 4096 },
  ...{ use_sliding_window: false, max_window_layers: 28 },
}

/** By `model_type`. */
const families: Readonly<Record<string, Family>> = {
  llama: {
    architecture: 'LlamaForCausalLM',
    gguf: { architecture: 'llama', interleavesHeads: true },
    layer: (config, index) => decoderLayer(config, index, { bias: configuredBias(config) }),
  },
  mistral: {
    architecture: 'MistralForCausalLM',
    gguf: { architecture: 'llama', interleavesHeads: true },
    defaults: { num_key_value_heads: 8, max_position_embeddings: 131072, sliding_window: 4096 },
    layer: (config, index) => decoderLayer(config, index, { window: slidingWindow(config, index, true) }),
  },
  qwen2: {
    architecture: 'Qwen2ForCausalLM',
    gguf: { architecture: 'qwen2', interleavesHeads: false },
    defaults: qwenDefaults,
    layer: (config, index) =>
      decoderLayer(config, index, { bias: { qkv: true }, window: qwenWindow(config, index) }),
  },
  qwen3: {
    architecture: 'Qwen3ForCausalLM',
    gguf: { architecture: 'qwen3', interleavesHeads: false },
    defaults: { ...qwenDefaults, head_dim: 128 },
    layer: (config, index) => {
      const { attention_bias: bias } = config
      const window = qwenWindow(config, index)
      return decoderLayer(config, index, { bias: { qkv: bias, output: bias }, window, normedHeads: true })
    },
  },
  smollm3: {
    architecture: 'SmolLM3ForCausalLM',
    gguf: { architecture: 'smollm3', interleavesHeads: true },
    defaults: {
      ...{ num_key_value_heads: 4, max_position_embeddings: 32768, tie_word_embeddings: true },
      ...{ use_sliding_window: false, sliding_window: null, no_rope_layer_interval: 4, rope_theta: 2000000 },
    },
    layer: (config, index) => {
      const rotated = rotatedLayers(config)[index]!
      const window = config.field('use_sliding_window') ? slidingWindow(config, index, !rotated) : 0
      return decoderLayer(config, index, { bias: configuredBias(config), window, rotated })
    },
  },
  granite: {
    architecture: 'GraniteForCausalLM',
    gguf: { architecture: 'granite', interleavesHeads: true },
    defaults: {
      ...{ embedding_multiplier: 1, logits_scaling: 1, residual_multiplier: 1, attention_multiplier: 1 },
    },
    scales: (config) => ({
      embedding: multiplier(config, 'embedding_multiplier'),
      logits: 1 / multiplier(config, 'logits_scaling'),
    }),
    layer: (config, index) =>
      decoderLayer(config, index, {
        bias: configuredBias(config),
        attentionScale: multiplier(config, 'attention_multiplier'),
        residualScale: multiplier(config, 'residual_multiplier'),
      }),
  },
}

/** `attention_bias` of all four projections, `mlp_bias` of all three. */
function configuredBias({
  attention_bias: attention,
  mlp_bias: mlp,
}: PretrainedConfig): Required<NonNullable<LayerTraits['bias']>> {
  return { qkv: attention, output: attention, mlp }
}

/** @throws Error on a field that is no positive number */
function multiplier(config: PretrainedConfig, key: string): number {
  const value = config.field(key)
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value
  throw new Error(`config: '${key}' must be a positive number, got ${JSON.stringify(value)}`)
}

/** @throws Error on a model_type that is not supported, with the list of those that are. */
export function familyOf(modelType: string): Family {
  if (Object.hasOwn(families, modelType)) return families[modelType]!
  const supported = Object.keys(families).join(', ')
  throw new Error(`model type '${modelType}' is not supported; supported: ${supported}`)
}

/** The values of `general.architecture` that are supported. */
export const ggufArchitectures: readonly string[] = [
  ...new Set(Object.values(families).map(({ gguf }) => gguf.architecture)),
]

/** The family of a GGUF architecture, of several the first, or with a sliding window the last; undefined where there is none. */
export function familyOfGguf(
  architecture: string,
  slides: boolean = false,
): { modelType: string; interleavesHeads: boolean } | undefined {
  const found = Object.entries(families).filter(([, { gguf }]) => gguf.architecture === architecture)
  const family = slides ? found.at(-1) : found[0]
  return family && { modelType: family[0], interleavesHeads: family[1].gguf.interleavesHeads }
}

/** What the decoder of this configuration consists of. */
export function blueprintOf(config: PretrainedConfig): Blueprint {
  const { layer, scales } = familyOf(config.model_type)
  return decoder(config, layer, scales?.(config))
}

/** With `use_sliding_window` the layers from `max_window_layers` on have the window. */
function qwenWindow(config: PretrainedConfig, index: number): number {
  const slides = index >= Number(config.field('max_window_layers'))
  return config.field('use_sliding_window') ? slidingWindow(config, index, slides) : 0
}

/**
 * By layer: `no_rope_layers`, whose 1 means that it has a rotary embedding, or all but every `no_rope_layer_interval`th.
 * @throws Error on a list or an interval that is none.
 */
function rotatedLayers(config: PretrainedConfig): boolean[] {
  const count = config.num_hidden_layers
  const list = config.field('no_rope_layers') ?? undefined
  if (list === undefined) {
    const interval = config.field('no_rope_layer_interval')
    if (typeof interval !== 'number' || !Number.isInteger(interval) || interval < 1)
      throw new Error(
        `config: 'no_rope_layer_interval' must be a positive integer, got ${JSON.stringify(interval)}`,
      )
    return Array.from({ length: count }, (_, i) => (i + 1) % interval !== 0)
  }
  if (!Array.isArray(list) || list.length !== count || !list.every((flag) => flag === 0 || flag === 1))
    throw new Error(
      `config: 'no_rope_layers' must have ${count} entries, each 0 or 1; got ${JSON.stringify(list)}`,
    )
  return list.map((flag) => flag === 1)
}

const layerTypes = ['full_attention', 'sliding_attention']

/**
 * `sliding_window`, where `layer_types` says so of the layer or, without that list, where the family does; else 0.
 * @throws Error on a window that is no positive integer or a list that does not fit the layers.
 */
function slidingWindow(config: PretrainedConfig, index: number, otherwise: boolean): number {
  const window = config.field('sliding_window')
  if (window === null) return 0
  if (typeof window !== 'number' || !Number.isInteger(window) || window < 1) {
    throw new Error(
      `config: 'sliding_window' must be a positive integer or null, got ${JSON.stringify(window)}`,
    )
  }
  const types = config.field('layer_types') ?? undefined
  if (types === undefined) return otherwise ? window : 0
  const count = config.num_hidden_layers
  if (
    !Array.isArray(types) ||
    types.length !== count ||
    !types.every((t) => layerTypes.includes(t as string))
  ) {
    throw new Error(
      `config: 'layer_types' must name ${count} layers, each ${layerTypes.join(' or ')}; got ${JSON.stringify(types)}`,
    )
  }
  return types[index] === 'sliding_attention' ? window : 0
}
