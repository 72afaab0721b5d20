import { CausalLM } from '../models/causal-lm'
import { skipped } from '../models/build'
import type { PretrainedConfig } from '../models/config'
import { DecoderLayer } from '../models/decoder-layer'
import { Attention } from '../nn/attention'
import { Embedding } from '../nn/embedding'
import { Linear, type LinearLayer } from '../nn/linear'
import { Linear4bit } from '../nn/linear4bit'
import { MLP } from '../nn/mlp'
import { RMSNorm } from '../nn/rms-norm'
import { RotaryEmbedding } from '../nn/rope'
import type { BitsAndBytesConfig } from '../quantization/config'
import { quantizeWeight } from '../quantization/quantize'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { fill } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

/** What the bytes of a model depend on. */
export interface ModelShape {
  config: PretrainedConfig
  dtype: FloatDType
  quantization?: BitsAndBytesConfig | undefined
}

/** A model of these shapes without values, part by part as `buildModel` makes one. `made` is told what was made, after each part. */
export function metaModel(
  { config, dtype, quantization }: ModelShape,
  device: Device,
  made: (what: string) => void,
): CausalLM {
  const tensor = (...shape: number[]): Tensor => {
    const t = device.empty(shape, dtype)
    fill(t, 0)
    return t
  }
  const { hidden_size: hidden, intermediate_size: inner, head_dim: headDim, vocab_size: vocab } = config
  const { num_attention_heads: heads, num_key_value_heads: kvHeads } = config
  const norm = (name: string): RMSNorm => {
    const layer = new RMSNorm(name, tensor(hidden), config.rms_norm_eps)
    made('norms')
    return layer
  }
  const linear = (name: string, cols: number, rows: number, hasBias: boolean): LinearLayer => {
    const bias = hasBias ? tensor(rows) : undefined
    if (!quantization?.load_in_4bit || skipped(name, quantization)) {
      const layer = new Linear(name, tensor(rows, cols), bias)
      made(name === 'lm_head' ? 'head' : 'weights')
      return layer
    }
    using full = tensor(rows, cols)
    const weight = quantizeWeight(full, {
      quant_type: quantization.bnb_4bit_quant_type,
      compress_statistics: quantization.bnb_4bit_use_double_quant,
    })
    full.dispose()
    made('4-bit weights')
    return new Linear4bit(name, weight, quantization.bnb_4bit_compute_dtype, bias)
  }
  const rotary = new RotaryEmbedding(headDim, config.rope_parameters, device)
  const embed_tokens = new Embedding('model.embed_tokens', tensor(vocab, hidden))
  made('embedding')
  const layers = Array.from({ length: config.num_hidden_layers }, (_, i) => {
    const attn = (key: string, cols: number, rows: number): LinearLayer =>
      linear(`model.layers.${i}.self_attn.${key}`, cols, rows, config.attention_bias)
    const mlp = (key: string, cols: number, rows: number): LinearLayer =>
      linear(`model.layers.${i}.mlp.${key}`, cols, rows, config.mlp_bias)
    return new DecoderLayer(
      i,
      norm('input_layernorm'),
      new Attention(
        attn('q_proj', hidden, heads * headDim),
        attn('k_proj', hidden, kvHeads * headDim),
        attn('v_proj', hidden, kvHeads * headDim),
        attn('o_proj', heads * headDim, hidden),
        { heads, kvHeads, headDim, window: 0 },
        rotary,
      ),
      norm('post_attention_layernorm'),
      new MLP(
        mlp('gate_proj', hidden, inner),
        mlp('up_proj', hidden, inner),
        mlp('down_proj', inner, hidden),
      ),
    )
  })
  const last = norm('model.norm')
  const lm_head = config.tie_word_embeddings
    ? new Linear('lm_head', embed_tokens.weight)
    : linear('lm_head', hidden, vocab, false)
  const parts = { embed_tokens, layers, norm: last, lm_head, rotary }
  return new CausalLM(config, parts, device, dtype, 'planned', quantization)
}
