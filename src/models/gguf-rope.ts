import type { GgufEntry } from '../files/gguf-write'
import { attentionFactor, inverseFrequencies } from '../nn/rope-frequencies'
import type { PretrainedConfig } from './config'
import { ROPE_FACTORS } from './gguf-fields'

/** The metadata of a GGUF file about the scaling of rotary embeddings, in addition to the base and the tensors of factors. */
export function ggufRope(config: PretrainedConfig, architecture: string): Record<string, GgufEntry> {
  const { full_attention: rope, sliding_attention: local } = config.rope_by_layer_type
  const original =
    config.field('original_max_position_embeddings') ??
    (rope.rope_type === 'yarn' || rope.rope_type === 'longrope'
      ? rope.original_max_position_embeddings
      : null)
  const entries: Record<string, GgufEntry> = {
    ...(typeof original === 'number' && { 'rope.scaling.original_context_length': ['uint32', original] }),
    ...(architecture === 'gemma3' && { 'rope.freq_base_swa': ['float32', local.rope_theta] }),
    ...(rope.llama_4_scaling_beta && {
      'attention.temperature_scale': ['float32', rope.llama_4_scaling_beta],
    }),
    ...scaling(rope),
  }
  return Object.fromEntries(
    Object.entries(entries).map(([key, entry]): [string, GgufEntry] => [`${architecture}.${key}`, entry]),
  )
}

function scaling(rope: PretrainedConfig['rope_parameters']): Record<string, GgufEntry> {
  const type = (name: string): Record<string, GgufEntry> => ({ 'rope.scaling.type': ['string', name] })
  switch (rope.rope_type) {
    case 'linear':
      return { ...type('linear'), 'rope.scaling.factor': ['float32', rope.factor!] }
    case 'longrope':
      return { ...type('longrope'), 'rope.scaling.attn_factor': ['float32', attentionFactor(rope)] }
    case 'yarn': {
      const { factor = 1, beta_fast, beta_slow, mscale, mscale_all_dim } = rope
      // Readers support only mscale 1.
      const told = mscale === 1 && mscale_all_dim ? { mscale, mscale_all_dim } : {}
      const usual = attentionFactor({ ...{ rope_type: 'yarn', rope_theta: 1, factor }, ...told })
      const more = attentionFactor(rope) / usual
      return {
        ...type('yarn'),
        'rope.scaling.factor': ['float32', factor],
        'rope.scaling.yarn_beta_fast': ['float32', beta_fast || 32],
        'rope.scaling.yarn_beta_slow': ['float32', beta_slow || 1],
        ...(told.mscale_all_dim && { 'rope.scaling.yarn_log_multiplier': ['float32', told.mscale_all_dim] }),
        ...(Math.abs(more - 1) > 1e-6 && { 'rope.scaling.attn_factor': ['float32', more] }),
      }
    }
    default:
      return {}
  }
}

/**
 * The tensors of a file with the divisors of each frequency, by name: `rope_freqs.weight` of 'llama3', those for short and long
 * sequences of 'longrope'. None if the metadata are sufficient.
 * @throws Error on a kind of scaling that GGUF files cannot store.
 */
export function ropeTensors({
  rope_parameters: rope,
  head_dim,
}: PretrainedConfig): Map<string, Float32Array> {
  switch (rope.rope_type) {
    case 'default':
    case 'linear':
    case 'yarn':
      return new Map()
    case 'llama3': {
      const plain = inverseFrequencies(head_dim, { rope_type: 'default', rope_theta: rope.rope_theta })
      const factors = inverseFrequencies(head_dim, rope).map((frequency, i) => plain[i]! / frequency)
      return new Map([['rope_freqs.weight', factors]])
    }
    case 'longrope': {
      const [short, long] = [rope.short_factor!, rope.long_factor!].map((list) => Float32Array.from(list))
      return new Map([
        [ROPE_FACTORS[0]!, short!],
        [ROPE_FACTORS[1]!, long!],
      ])
    }
    default:
      throw new Error(
        `[save_pretrained_gguf] rope_type '${rope.rope_type}' cannot be written; supported: default, linear, llama3, longrope, yarn`,
      )
  }
}
