import { GgufFile, type GgufValue } from '../files/gguf'
import type { GgufEntry } from '../files/gguf-write'
import { inverseFrequencies } from '../nn/rope-frequencies'
import type { Blueprint, LayerBlueprint } from './blueprint'
import { PretrainedConfig } from './config'
import { blueprintOf, familyOf, type GgufFamily } from './families'
import { ggufConfig } from './gguf-checkpoint'

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
  const original = config.field('original_max_position_embeddings')
  const windows = new Set(layers.map(({ window }) => window).filter((window) => window > 0))
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
    ...(typeof original === 'number' && { 'rope.scaling.original_context_length': original }),
    ...(windows.size > 0 && { 'attention.sliding_window': [...windows][0]! }),
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
    ...scaling(config, architecture),
  }
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

function scaling(
  { rope_parameters: rope }: PretrainedConfig,
  architecture: string,
): Record<string, GgufEntry> {
  if (rope.rope_type !== 'linear') return {}
  return {
    [`${architecture}.rope.scaling.type`]: ['string', 'linear'],
    [`${architecture}.rope.scaling.factor`]: ['float32', rope.factor!],
  }
}

/**
 * The contents of `rope_freqs.weight`: the divisor of each frequency. Undefined if the metadata are sufficient.
 * @throws Error on a kind of scaling that GGUF files of this architecture cannot store.
 */
export function ropeFactors({ rope_parameters: rope, head_dim }: PretrainedConfig): Float32Array | undefined {
  if (rope.rope_type === 'default' || rope.rope_type === 'linear') return undefined
  if (rope.rope_type !== 'llama3')
    throw new Error(
      `[save_pretrained_gguf] rope_type '${rope.rope_type}' cannot be written; supported: default, linear, llama3`,
    )
  const plain = inverseFrequencies(head_dim, { rope_type: 'default', rope_theta: rope.rope_theta })
  return inverseFrequencies(head_dim, rope).map((frequency, i) => plain[i]! / frequency)
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
  // Scaled frequencies are in a tensor of their own, not in the metadata.
  const plain = tensors.filter(({ name }) => name !== 'rope_freqs.weight')
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
      const [ours, theirs] = [layer[key], read.layers[i]?.[key]].map((value) => JSON.stringify(value))
      if (ours === theirs) continue
      throw new Error(
        `[save_pretrained_gguf] a GGUF file of this architecture cannot say of layer ${i} that its ${key} is ${ours?.slice(0, 200)}; readers would take ${theirs?.slice(0, 200)}`,
      )
    }
  }
}
