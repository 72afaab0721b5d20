import type { EmbeddingTraits } from '../nn/embedding'
import type { NormTraits } from '../nn/rms-norm'
import type { RopeParameters } from '../nn/rope-frequencies'
import type { Blueprint, LayerBlueprint, LinearModule, NormModule } from './blueprint'
import type { PretrainedConfig } from './config'

/** Properties of layers in which families differ. */
export interface LayerTraits {
  /** Which linear layers have a bias. Default: none. */
  bias?: { qkv?: boolean; output?: boolean; mlp?: boolean }
  /** The number of keys that a query sees, including its own; 0 = all, the default. */
  window?: number
  /** Where attention and MLP have norms: before them (default), after them, or both. */
  norms?: 'before' | 'after' | 'both'
  /** Traits of all norms of the layer. */
  norm?: NormTraits
  /** Whether q and k are normalized before their rotation: each head separately, or all together. Default: no. */
  normedHeads?: 'each' | 'together'
  /** Whether q, k and v are one matrix, and gate and up another. Default: no. */
  joined?: boolean
  /** null: q and k are not rotated. Default: the config's. */
  rope?: RopeParameters | null
  /** Factor of the products of queries and keys. Default: 1 / sqrt(head_dim). */
  attentionScale?: number
  /** Scores become softcap * tanh(score / softcap). Default: no cap. */
  attentionSoftcap?: number | undefined
  /** Factor of the outputs of attention and MLP before they are added. Default: 1. */
  residualScale?: number
}

/** One layer: attention, then a gated MLP, each with its norms. */
export function decoderLayer(
  config: PretrainedConfig,
  index: number,
  { bias = {}, window = 0, norms = 'before', joined = false, ...traits }: LayerTraits,
): LayerBlueprint {
  const { hidden_size: hidden, intermediate_size: inner, head_dim: headDim } = config
  const { num_attention_heads: heads, num_key_value_heads: kvHeads } = config
  const { rope = config.rope_parameters, attentionScale, attentionSoftcap, residualScale } = traits
  const prefix = `model.layers.${index}`
  const norm = (key: string, gguf: string, size = hidden): NormModule => ({
    ...{ kind: 'rms_norm', key: `${prefix}.${key}`, gguf: `blk.${index}.${gguf}` },
    ...{ size, eps: config.rms_norm_eps, ...traits.norm },
  })
  const linears =
    (part: string, hasBias = false) =>
    (key: string, gguf: string, inFeatures: number, outFeatures: number, reads = 'x'): LinearModule => ({
      ...{ kind: 'linear', key: `${prefix}.${part}.${key}`, gguf: `blk.${index}.${gguf}` },
      ...{ inFeatures, outFeatures, bias: hasBias, reads: `${prefix}.${part} ${reads}`, quantizable: true },
    })
  const [input, output, mlp] = [
    linears('self_attn', bias.qkv),
    linears('self_attn', bias.output),
    linears('mlp', bias.mlp),
  ]
  const [qWidth, kWidth] = [heads * headDim, kvHeads * headDim]
  const head = (width: number): number => (traits.normedHeads === 'together' ? width : headDim)
  const modules = [
    ...(norms === 'after' ? [] : [norm('input_layernorm', 'attn_norm')]),
    ...(joined
      ? [input('qkv_proj', 'attn_qkv', hidden, qWidth + 2 * kWidth)]
      : [
          input('q_proj', 'attn_q', hidden, qWidth),
          input('k_proj', 'attn_k', hidden, kWidth),
          input('v_proj', 'attn_v', hidden, kWidth),
        ]),
    output('o_proj', 'attn_output', qWidth, hidden, 'heads'),
    ...(traits.normedHeads
      ? [
          norm('self_attn.q_norm', 'attn_q_norm', head(qWidth)),
          norm('self_attn.k_norm', 'attn_k_norm', head(kWidth)),
        ]
      : []),
    norm('post_attention_layernorm', norms === 'before' ? 'ffn_norm' : 'post_attention_norm'),
    ...(norms === 'both' ? [norm('pre_feedforward_layernorm', 'ffn_norm')] : []),
    ...(joined
      ? [mlp('gate_up_proj', 'ffn_up', hidden, 2 * inner)]
      : [mlp('gate_proj', 'ffn_gate', hidden, inner), mlp('up_proj', 'ffn_up', hidden, inner)]),
    mlp('down_proj', 'ffn_down', inner, hidden, 'h'),
    ...(norms === 'before' ? [] : [norm('post_feedforward_layernorm', 'post_ffw_norm')]),
  ]
  const { activation } = config
  return {
    ...{ prefix, modules, heads, kvHeads, headDim, window, rope, activation },
    ...{ attentionScale, attentionSoftcap, residualScale },
  }
}

/** Properties of embedding, last norm and logits in which families differ. */
export interface DecoderTraits {
  embedding?: EmbeddingTraits
  /** Traits of the last norm, whose result the head reads. */
  norm?: NormTraits
  logitSoftcap?: number | undefined
}

/** The whole decoder: embedding, layers, norm, head. */
export function decoder(
  config: PretrainedConfig,
  layer: (config: PretrainedConfig, index: number) => LayerBlueprint,
  { embedding, norm, logitSoftcap }: DecoderTraits = {},
): Blueprint {
  const { vocab_size: vocab, hidden_size: hidden } = config
  return {
    embedding: {
      ...{ kind: 'embedding', key: 'model.embed_tokens', gguf: 'token_embd' },
      ...{ rows: vocab, columns: hidden, ...embedding },
    },
    layers: Array.from({ length: config.num_hidden_layers }, (_, i) => layer(config, i)),
    norm: {
      ...{ kind: 'rms_norm', key: 'model.norm', gguf: 'output_norm' },
      ...{ size: hidden, eps: config.rms_norm_eps, ...norm },
    },
    head: {
      ...{ kind: 'linear', key: 'lm_head', gguf: 'output' },
      ...{ inFeatures: hidden, outFeatures: vocab, bias: false, reads: 'hidden', quantizable: false },
    },
    tied: config.tie_word_embeddings,
    logitSoftcap,
  }
}
