import type { PretrainedConfig } from './config'
import { decoderLayer, type DecoderTraits } from './decoder-blueprint'
import type { Family } from './families'
import {
  layerType,
  optionalPositive,
  positiveInteger,
  positiveNumber,
  slidingButEvery,
  slidingWindow,
} from './layer-kinds'

/** Norm weights are stored as their difference from 1. */
const norm = { offset: 1, roundsFirst: false }
const tanhGelu = { gelu_pytorch_tanh: 'gelu_pytorch_tanh' } as const

/** Embeddings are multiplied by the square root of their width, in their own dtype. */
function traits(config: PretrainedConfig): DecoderTraits {
  return {
    embedding: { scale: Math.sqrt(config.hidden_size), roundsScale: true },
    norm,
    logitSoftcap: optionalPositive(config, 'final_logit_softcapping'),
  }
}

const attentionBias = ({ attention_bias: bias }: PretrainedConfig): { qkv: boolean; output: boolean } => ({
  qkv: bias,
  output: bias,
})

const queryScale = (config: PretrainedConfig): number =>
  1 / Math.sqrt(positiveNumber(config, 'query_pre_attn_scalar'))

export const gemma: Family = {
  architecture: 'GemmaForCausalLM',
  gguf: { architecture: 'gemma', interleavesHeads: false, normsAddOne: true },
  defaults: {
    ...{ num_key_value_heads: 16, head_dim: 256, max_position_embeddings: 8192, tie_word_embeddings: true },
    hidden_act: 'gelu_pytorch_tanh',
  },
  // The first releases say 'gelu' but use its tanh approximation.
  activation: { field: 'hidden_act', names: { ...tanhGelu, gelu: 'gelu_pytorch_tanh' } },
  traits,
  layer: (config, index) => decoderLayer(config, index, { norm, bias: attentionBias(config) }),
}

export const gemma2: Family = {
  architecture: 'Gemma2ForCausalLM',
  gguf: {
    ...{ architecture: 'gemma2', interleavesHeads: false, normsAddOne: true, windowPeriod: 2 },
    fields: {
      attn_logit_softcapping: 'attn_logit_softcapping',
      final_logit_softcapping: 'final_logit_softcapping',
    },
  },
  defaults: {
    ...{ num_key_value_heads: 4, head_dim: 256, max_position_embeddings: 8192, tie_word_embeddings: true },
    ...{ hidden_activation: 'gelu_pytorch_tanh', query_pre_attn_scalar: 256, sliding_window: 4096 },
    ...{ attn_logit_softcapping: 50, final_logit_softcapping: 30 },
  },
  ownFields: ['query_pre_attn_scalar', 'attn_logit_softcapping', 'final_logit_softcapping'],
  activation: { field: 'hidden_activation', names: tanhGelu },
  traits,
  layer: (config, index) =>
    decoderLayer(config, index, {
      ...{ norm, norms: 'both', bias: attentionBias(config), attentionScale: queryScale(config) },
      attentionSoftcap: optionalPositive(config, 'attn_logit_softcapping'),
      window: slidingWindow(config, index, slidingButEvery(2, index) === 'sliding_attention'),
    }),
}

export const gemma3: Family = {
  architecture: 'Gemma3ForCausalLM',
  gguf: {
    ...{ architecture: 'gemma3', interleavesHeads: false, normsAddOne: true, windowPeriod: 6 },
    optionalFields: { final_logit_softcapping: 'final_logit_softcapping' },
  },
  defaults: {
    ...{ num_key_value_heads: 4, head_dim: 256, max_position_embeddings: 131072, tie_word_embeddings: true },
    ...{ hidden_activation: 'gelu_pytorch_tanh', query_pre_attn_scalar: 256, sliding_window: 4096 },
    ...{ vocab_size: 262208, sliding_window_pattern: 6 },
  },
  ownFields: ['query_pre_attn_scalar', 'final_logit_softcapping', 'rope_local_base_freq'],
  activation: { field: 'hidden_activation', names: tanhGelu },
  rope: { theta: 1000000, byLayerType: { slidingTheta: 10000, slidingThetaKey: 'rope_local_base_freq' } },
  traits,
  layer: (config, index) => {
    const type = layerType(
      config,
      index,
      slidingButEvery(positiveInteger(config, 'sliding_window_pattern'), index),
    )
    return decoderLayer(config, index, {
      ...{ norm, norms: 'both', normedHeads: 'each' },
      ...{ bias: attentionBias(config), attentionScale: queryScale(config) },
      window: slidingWindow(config, index, type === 'sliding_attention'),
      rope: config.rope_by_layer_type[type],
    })
  },
}
