import type { Blueprint, LayerBlueprint, LinearModule, NormModule } from './blueprint'
import type { PretrainedConfig } from './config'

/** What the layers of a family have that not all have. */
export interface LayerTraits {
  /** Which linear layers have a bias. Default: none. */
  bias?: { qkv?: boolean; output?: boolean; mlp?: boolean }
  /** Keys that a query sees, its own included; 0 = all, the default. */
  window?: number
  /** Whether each head of q and k is normed before its rotation. Default: no. */
  normedHeads?: boolean
  /** Whether q and k are rotated by their positions. Default: yes. */
  rotated?: boolean
  /** Of the products of queries and keys. Default: 1 / sqrt(head_dim). */
  attentionScale?: number
  /** What attention and MLP give is added times this. Default: 1. */
  residualScale?: number
}

/** One layer: norm, attention, norm, gated MLP. */
export function decoderLayer(
  config: PretrainedConfig,
  index: number,
  { bias = {}, window = 0, normedHeads = false, rotated = true, attentionScale, residualScale }: LayerTraits,
): LayerBlueprint {
  const { hidden_size: hidden, intermediate_size: inner, head_dim: headDim } = config
  const { num_attention_heads: heads, num_key_value_heads: kvHeads } = config
  const prefix = `model.layers.${index}`
  const norm = (key: string, gguf: string, size = hidden): NormModule => ({
    ...{ kind: 'rms_norm', key: `${prefix}.${key}`, gguf: `blk.${index}.${gguf}` },
    ...{ size, eps: config.rms_norm_eps },
  })
  const linears =
    (part: string, hasBias = false) =>
    (key: string, gguf: string, inFeatures: number, outFeatures: number, reads = 'x'): LinearModule => ({
      ...{ kind: 'linear', key: `${prefix}.${part}.${key}`, gguf: `blk.${index}.${gguf}` },
      ...{ inFeatures, outFeatures, bias: hasBias, reads: `${prefix}.${part} ${reads}`, quantizable: true },
    })
  const input = linears('self_attn', bias.qkv)
  const output = linears('self_attn', bias.output)
  const mlp = linears('mlp', bias.mlp)
  const modules = [
    norm('input_layernorm', 'attn_norm'),
    input('q_proj', 'attn_q', hidden, heads * headDim),
    input('k_proj', 'attn_k', hidden, kvHeads * headDim),
    input('v_proj', 'attn_v', hidden, kvHeads * headDim),
    output('o_proj', 'attn_output', heads * headDim, hidden, 'heads'),
    ...(normedHeads
      ? [norm('self_attn.q_norm', 'attn_q_norm', headDim), norm('self_attn.k_norm', 'attn_k_norm', headDim)]
      : []),
    norm('post_attention_layernorm', 'ffn_norm'),
    mlp('gate_proj', 'ffn_gate', hidden, inner),
    mlp('up_proj', 'ffn_up', hidden, inner),
    mlp('down_proj', 'ffn_down', inner, hidden, 'h'),
  ]
  return {
    prefix,
    modules,
    heads,
    kvHeads,
    headDim,
    window,
    rope: rotated ? config.rope_parameters : null,
    attentionScale,
    residualScale,
  }
}

/** What is taken times a number. Default: nothing. */
export interface DecoderScales {
  embedding?: number
  /** Of the final norm, which is linear in the logits. */
  logits?: number
}

/** The whole decoder: embedding, layers, norm, head. */
export function decoder(
  config: PretrainedConfig,
  layer: (config: PretrainedConfig, index: number) => LayerBlueprint,
  scales: DecoderScales = {},
): Blueprint {
  const { vocab_size: vocab, hidden_size: hidden } = config
  return {
    embedding: {
      ...{ kind: 'embedding', key: 'model.embed_tokens', gguf: 'token_embd' },
      ...{ rows: vocab, columns: hidden, scale: scales.embedding },
    },
    layers: Array.from({ length: config.num_hidden_layers }, (_, i) => layer(config, i)),
    norm: {
      ...{ kind: 'rms_norm', key: 'model.norm', gguf: 'output_norm' },
      ...{ size: hidden, eps: config.rms_norm_eps, scale: scales.logits },
    },
    head: {
      ...{ kind: 'linear', key: 'lm_head', gguf: 'output' },
      ...{ inFeatures: hidden, outFeatures: vocab, bias: false, reads: 'hidden', quantizable: false },
    },
    tied: config.tie_word_embeddings,
  }
}
