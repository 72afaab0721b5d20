import { GgufFile, type GgufValue } from '../files/gguf'
import type { GgufEntry } from '../files/gguf-write'
import { attentionFactor, inverseFrequencies, type RopeParameters } from '../nn/rope-frequencies'
import type { Blueprint, LayerBlueprint } from './blueprint'
import { PretrainedConfig } from './config'
import { blueprintOf, familyOf, type GgufFamily } from './families'
import { ggufConfig } from './gguf-checkpoint'
import { ROPE_FACTORS } from './gguf-fields'
import { ggufRope } from './gguf-rope'
import { slidingButEvery } from './layer-kinds'

/** The GGUF conventions of the model's family. @throws Error if there are none. */
export function ggufFamilyOf({ model_type }: PretrainedConfig): GgufFamily {
  const { gguf, architecture } = familyOf(model_type)
  if (gguf) return gguf
  throw new Error(
    `[save_pretrained_gguf] a ${architecture} cannot be written as GGUF: no form of it is known here`,
  )
}

/** The metadata of a GGUF file that describe the model, as llama.cpp's converter writes them. */
export function ggufHyperparameters(
  config: PretrainedConfig,
  { layers }: Blueprint,
): Record<string, GgufEntry> {
  const { architecture, fields = {}, optionalFields = {} } = ggufFamilyOf(config)
  const partial = Number(config.rope_parameters.partial_rotary_factor ?? 1)
  const counts = {
    vocab_size: config.vocab_size,
    context_length: config.max_position_embeddings,
    embedding_length: config.hidden_size,
    block_count: config.num_hidden_layers,
    feed_forward_length: config.intermediate_size,
    'attention.head_count': config.num_attention_heads,
    'attention.head_count_kv': config.num_key_value_heads,
    'attention.key_length': config.head_dim,
    'attention.value_length': config.head_dim,
    'rope.dimension_count': Math.floor(config.head_dim * partial),
    ...windows(config, layers),
  }
  const numbers = {
    'attention.layer_norm_rms_epsilon': config.rms_norm_eps,
    'rope.freq_base': config.rope_parameters.rope_theta,
    ...Object.fromEntries(
      Object.entries({ ...optionalFields, ...fields })
        .filter(([, field]) => typeof config.field(field) === 'number')
        .map(([key, field]): [string, number] => [key, config.field(field) as number]),
    ),
  }
  return {
    'general.architecture': ['string', architecture],
    ...prefixed(architecture, counts, 'uint32'),
    ...prefixed(architecture, numbers, 'float32'),
    ...ggufRope(config, architecture),
  }
}

/** The window, and which layers have it where that is not what the architecture usually has. */
function windows(config: PretrainedConfig, layers: Blueprint['layers']): Record<string, number> {
  const window = layers.find((layer) => layer.window > 0)?.window
  if (window === undefined) return {}
  const { windowPeriod } = ggufFamilyOf(config)
  const fits = (period: number): boolean =>
    layers.every((layer, i) => layer.window > 0 === (slidingButEvery(period, i) === 'sliding_attention'))
  const period = layers.findIndex((layer) => layer.window === 0) + 1
  const isToTell = windowPeriod !== undefined && !fits(windowPeriod) && period > 0
  return {
    'attention.sliding_window': window,
    ...(isToTell && { 'attention.sliding_window_pattern': period }),
  }
}

/** What llama.cpp would leave out without a word: it has no windows in this architecture. Undefined where nothing is. */
export function ignoredWindow(config: PretrainedConfig, { layers }: Blueprint): number | undefined {
  const window = layers.find((layer) => layer.window > 0)?.window
  const isIgnored = ggufFamilyOf(config).windowPeriod === undefined
  return isIgnored && window !== undefined && window < config.max_position_embeddings ? window : undefined
}

function prefixed(
  architecture: string,
  values: Readonly<Record<string, number>>,
  kind: 'uint32' | 'float32',
): Record<string, GgufEntry> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]): [string, GgufEntry] => [
      `${architecture}.${key}`,
      [kind, value],
    ]),
  )
}

/**
 * @throws Error when these metadata describe another decoder than the model's, because such files cannot store
 * one of its properties and readers assume what is usual for the architecture.
 */
export function checkDescribes(
  blueprint: Blueprint,
  metadata: Readonly<Record<string, GgufEntry>>,
  tensors: readonly { name: string; shape: readonly number[]; type: string }[],
): void {
  // Scaled frequencies are in tensors of their own, which the metadata do not show.
  const plain = tensors.filter(({ name }) => name !== 'rope_freqs.weight' && !ROPE_FACTORS.includes(name))
  const header = {
    metadata: Object.fromEntries(
      Object.entries(metadata).map(([key, [, value]]) => [key, value as GgufValue]),
    ),
    tensors: plain.map((tensor) => ({ ...tensor, shape: [...tensor.shape], offset: 0, nbytes: 0 })),
  }
  const read = blueprintOf(new PretrainedConfig(ggufConfig(new GgufFile('the file', header))))
  const scaled = plain.length < tensors.length
  for (const [i, layer] of blueprint.layers.entries()) {
    for (const key of Object.keys(layer) as (keyof LayerBlueprint)[]) {
      if (key === 'rope' && scaled) continue
      const [ours, theirs] = [layer, read.layers[i]].map((one) =>
        JSON.stringify(key === 'rope' && one?.rope ? turns(one.headDim, one.rope) : one?.[key]),
      )
      if (ours === theirs) continue
      throw new Error(
        `[save_pretrained_gguf] a GGUF file of this architecture cannot say of layer ${i} that its ${key} is ${ours?.slice(0, 200)}; readers would take ${theirs?.slice(0, 200)}`,
      )
    }
  }
}

/** What a layer's rotary parameters come to, however they are written. */
function turns(headDim: number, rope: RopeParameters): unknown {
  const { rope_type, llama_4_scaling_beta: beta, original_max_position_embeddings: original } = rope
  const frequencies = Array.from(inverseFrequencies(headDim, rope), (value) => value.toPrecision(6))
  return {
    rope_type,
    frequencies,
    factor: attentionFactor(rope).toPrecision(6),
    ...(beta && { beta, original }),
  }
}
