import type { Activation } from '../nn/mlp'
import type { Blueprint, LayerBlueprint } from './blueprint'
import type { PretrainedConfig } from './config'
import { decoder, decoderLayer, type DecoderTraits, type LayerTraits } from './decoder-blueprint'
import { gemma, gemma2, gemma3 } from './families-gemma'
import { layerType, positiveNumber, rotatedLayers, slidingButEvery, slidingWindow } from './layer-kinds'
import type { RopeRules } from './rope-config'

/** A decoder family: how to make the description of the modules from a configuration of this `model_type`. */
export interface Family {
  /** transformers' class, e.g. `LlamaForCausalLM`. */
  architecture: string
  /**
   * Defaults of fields that a config.json may omit, if they differ from Llama's; as in transformers'
   * configuration class.
   */
  defaults?: Readonly<Record<string, unknown>>
  /** Fields of this family that change what is computed. In a config of another family they are an error. */
  ownFields?: readonly string[]
  rope?: RopeRules
  /** The field that names the MLP's activation, and its supported values. Default: hidden_act, silu. */
  activation?: { field: string; names: Readonly<Record<string, Activation>> }
  layer: (config: PretrainedConfig, index: number) => LayerBlueprint
  /** Default: nothing. */
  traits?: (config: PretrainedConfig) => DecoderTraits
  /** Undefined: no GGUF file of this family can be read. */
  gguf?: GgufFamily
}

/** How GGUF files of a family differ from its checkpoints. */
export interface GgufFamily {
  /** `general.architecture` */
  architecture: string
  /** Whether such files interleave the halves of each head of q and k. */
  interleavesHeads: boolean
  /** Metadata keys (without the architecture) of fields of the configuration. Default: none. */
  fields?: Readonly<Record<string, string>>
  /** Those that a file may omit. */
  optionalFields?: Readonly<Record<string, string>>
  /** Whether norm weights include the 1 that the checkpoint omits. Default: no. */
  normsAddOne?: boolean
  /** Of models some layers of which have a window: every which one has none where the file does not tell. Default: none has a window. */
  windowPeriod?: number
}

/** Defaults that Qwen2 and Qwen3 share. */
const qwenDefaults = {
  ...{ num_key_value_heads: 32, max_position_embeddings: 32768, sliding_window: 4096 },
  ...{ use_sliding_window: false, max_window_layers: 28 },
}

/** What OLMo 2 and 3 share: norms after attention and MLP; q and k are normalized over all heads together. */
const olmoTraits = { norms: 'after', normedHeads: 'together', norm: { roundsFirst: false } } as const

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
      return decoderLayer(config, index, { bias: { qkv: bias, output: bias }, window, normedHeads: 'each' })
    },
  },
  smollm3: {
    architecture: 'SmolLM3ForCausalLM',
    gguf: { architecture: 'smollm3', interleavesHeads: true },
    defaults: {
      ...{ num_key_value_heads: 4, max_position_embeddings: 32768, tie_word_embeddings: true },
      ...{ use_sliding_window: false, sliding_window: null, no_rope_layer_interval: 4, rope_theta: 2000000 },
    },
    ownFields: ['no_rope_layers', 'no_rope_layer_interval'],
    layer: (config, index) => {
      const rotated = rotatedLayers(config)[index]!
      const window = config.field('use_sliding_window') ? slidingWindow(config, index, !rotated) : 0
      const rope = rotated ? config.rope_parameters : null
      return decoderLayer(config, index, { bias: configuredBias(config), window, rope })
    },
  },
  granite: {
    architecture: 'GraniteForCausalLM',
    gguf: {
      architecture: 'granite',
      interleavesHeads: true,
      fields: {
        'attention.scale': 'attention_multiplier',
        embedding_scale: 'embedding_multiplier',
        residual_scale: 'residual_multiplier',
        logit_scale: 'logits_scaling',
      },
    },
    defaults: {
      ...{ embedding_multiplier: 1, logits_scaling: 1, residual_multiplier: 1, attention_multiplier: 1 },
    },
    ownFields: ['embedding_multiplier', 'logits_scaling', 'residual_multiplier', 'attention_multiplier'],
    traits: (config) => ({
      embedding: { scale: positiveNumber(config, 'embedding_multiplier') },
      norm: { scale: 1 / positiveNumber(config, 'logits_scaling') },
    }),
    layer: (config, index) =>
      decoderLayer(config, index, {
        bias: configuredBias(config),
        attentionScale: positiveNumber(config, 'attention_multiplier'),
        residualScale: positiveNumber(config, 'residual_multiplier'),
      }),
  },
  olmo2: {
    architecture: 'Olmo2ForCausalLM',
    gguf: { architecture: 'olmo2', interleavesHeads: false },
    defaults: { rms_norm_eps: 1e-5 },
    traits: () => ({ norm: olmoTraits.norm }),
    layer: (config, index) => {
      const { attention_bias: bias } = config
      return decoderLayer(config, index, { ...olmoTraits, bias: { qkv: bias, output: bias } })
    },
  },
  olmo3: {
    architecture: 'Olmo3ForCausalLM',
    gguf: { architecture: 'olmo2', interleavesHeads: false, windowPeriod: 4 },
    defaults: { rms_norm_eps: 1e-5, sliding_window: 4096 },
    rope: { theta: 500000, byLayerType: { slidingTheta: 500000 } },
    traits: () => ({ norm: olmoTraits.norm }),
    layer: (config, index) => {
      const { attention_bias: bias } = config
      const type = layerType(config, index, slidingButEvery(4, index))
      return decoderLayer(config, index, {
        ...olmoTraits,
        bias: { qkv: bias, output: bias },
        window: slidingWindow(config, index, type === 'sliding_attention'),
        rope: config.rope_by_layer_type[type],
      })
    },
  },
  phi3: {
    architecture: 'Phi3ForCausalLM',
    gguf: { architecture: 'phi3', interleavesHeads: false },
    defaults: {
      ...{ rms_norm_eps: 1e-5, max_position_embeddings: 4096, original_max_position_embeddings: 4096 },
      sliding_window: null,
    },
    rope: { partial: true, aliases: { su: 'longrope', yarn: 'longrope' } },
    layer: (config, index) =>
      decoderLayer(config, index, { joined: true, window: slidingWindow(config, index, true) }),
  },
  gemma,
  gemma2,
  gemma3_text: gemma3,
  ministral3: {
    architecture: 'Ministral3ForCausalLM',
    gguf: { architecture: 'mistral3', interleavesHeads: true },
    defaults: {
      ...{ num_key_value_heads: 8, head_dim: 128, rms_norm_eps: 1e-5, max_position_embeddings: 262144 },
      sliding_window: null,
    },
    rope: {
      scalesQueries: true,
      otherwise: {
        ...{ rope_type: 'yarn', rope_theta: 1000000, factor: 16, original_max_position_embeddings: 16384 },
        ...{ beta_fast: 32, beta_slow: 1, mscale: 1, mscale_all_dim: 1, llama_4_scaling_beta: 0.1 },
      },
    },
    layer: (config, index) => decoderLayer(config, index, { window: slidingWindow(config, index, true) }),
  },
}

/** Every `model_type` that is supported. */
export const modelTypes: readonly string[] = Object.keys(families)

/** `attention_bias` applies to all four projections, `mlp_bias` to all three. */
function configuredBias({
  attention_bias: attention,
  mlp_bias: mlp,
}: PretrainedConfig): Required<NonNullable<LayerTraits['bias']>> {
  return { qkv: attention, output: attention, mlp }
}

/** @throws Error on an unsupported model_type, listing the supported ones. */
export function familyOf(modelType: string): Family {
  if (Object.hasOwn(families, modelType)) return families[modelType]!
  throw new Error(`model type '${modelType}' is not supported; supported: ${modelTypes.join(', ')}`)
}

/** @throws Error on a field of another family, unless its value has no effect. */
export function refuseForeignFields(modelType: string, fields: Readonly<Record<string, unknown>>): void {
  const own = families[modelType]?.ownFields ?? []
  for (const [owner, { ownFields = [] }] of Object.entries(families))
    for (const key of ownFields) {
      const value = fields[key] ?? null
      if (own.includes(key) || value === null || value === 1) continue
      throw new Error(
        `config: '${key}' is an option of ${owner} models and would be without effect in one of type '${modelType}'`,
      )
    }
  if (fields['use_bidirectional_attention'] === true)
    throw new Error("config: 'use_bidirectional_attention' is not supported; a token sees those before it")
}

/** The supported values of `general.architecture`. */
export const ggufArchitectures: readonly string[] = [
  ...new Set(Object.values(families).flatMap(({ gguf }) => gguf?.architecture ?? [])),
]

/**
 * The family of a GGUF architecture; undefined if none. If there are several, the first; with a sliding window,
 * the last.
 */
export function familyOfGguf(
  architecture: string,
  slides: boolean = false,
): ({ modelType: string } & GgufFamily) | undefined {
  const found = Object.entries(families).filter(([, { gguf }]) => gguf?.architecture === architecture)
  const family = slides ? found.at(-1) : found[0]
  return family && { modelType: family[0], ...family[1].gguf! }
}

/** The description of this configuration's decoder. */
export function blueprintOf(config: PretrainedConfig): Blueprint {
  const { layer, traits } = familyOf(config.model_type)
  return decoder(config, layer, traits?.(config))
}

/** With `use_sliding_window`, the layers from `max_window_layers` on have the window. */
function qwenWindow(config: PretrainedConfig, index: number): number {
  const slides = index >= Number(config.field('max_window_layers'))
  return config.field('use_sliding_window') ? slidingWindow(config, index, slides) : 0
}
