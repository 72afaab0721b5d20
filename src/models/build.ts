import { Attention } from '../nn/attention'
import { Embedding } from '../nn/embedding'
import { Linear, type LinearLayer } from '../nn/linear'
import { Linear4bit } from '../nn/linear4bit'
import { MLP } from '../nn/mlp'
import { RMSNorm } from '../nn/rms-norm'
import { RotaryEmbedding } from '../nn/rope'
import type { BitsAndBytesConfig } from '../quantization/config'
import { isPrequantized, loadPrequantized } from '../quantization/prequantized'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'
import type { ModelParts } from './causal-lm'
import type { PretrainedConfig } from './config'
import { DecoderLayer } from './decoder-layer'
import { allSettled, WeightStream } from './weight-stream'
import type { WeightSource } from './weights'

export interface BuildOptions {
  dtype: FloatDType
  quantization?: BitsAndBytesConfig | undefined
  signal?: AbortSignal | undefined
  /** Called after each tensor. */
  progress?: ((done: number, total: number) => void) | undefined
}

/** Builds a decoder's parts from a weight source, quantizing linear layers slice by slice on the way. */
export async function buildModel(
  config: PretrainedConfig,
  source: WeightSource,
  device: Device,
  options: BuildOptions,
): Promise<ModelParts> {
  const loader = new Loader(config, source, device, options)
  try {
    const rotary = loader.own(new RotaryEmbedding(config.head_dim, config.rope_parameters, device))
    const embed_tokens = new Embedding(
      'model.embed_tokens',
      await loader.tensor('model.embed_tokens.weight', [config.vocab_size, config.hidden_size]),
    )
    const layers: DecoderLayer[] = []
    for (let i = 0; i < config.num_hidden_layers; i++) layers.push(await loader.layer(i, rotary))
    const norm = await loader.norm('model.norm')
    const lm_head = config.tie_word_embeddings
      ? new Linear('lm_head', embed_tokens.weight)
      : await loader.linear('lm_head', config.hidden_size, config.vocab_size, false)
    return { embed_tokens, layers, norm, lm_head, rotary }
  } catch (error) {
    loader.disposeAll()
    throw error
  } finally {
    device.emptyCache() // what the slices took
  }
}

class Loader {
  private done = 0
  private readonly total: number
  private readonly loaded: { dispose(): void }[] = []
  private readonly stream: WeightStream

  constructor(
    private readonly config: PretrainedConfig,
    private readonly source: WeightSource,
    private readonly device: Device,
    private readonly options: BuildOptions,
  ) {
    this.total = source.names().length
    this.stream = new WeightStream(source, device, options.dtype, options.signal)
  }

  /** A half-built model gives its memory back. */
  disposeAll(): void {
    for (const item of this.loaded) item.dispose()
  }

  async tensor(name: string, shape: number[]): Promise<Tensor> {
    this.checkShape(name, shape)
    const tensor = this.own(await this.stream.tensor(name))
    this.report()
    return tensor
  }

  private checkShape(name: string, shape: number[]): void {
    const stored = this.source.shape(name)
    if (stored.join() !== shape.join())
      throw new Error(`'${name}' has shape (${stored.join(', ')}); the config asks for (${shape.join(', ')})`)
  }

  /** One more tensor is there. */
  private report(): void {
    this.options.signal?.throwIfAborted()
    this.options.progress?.(++this.done, this.total)
  }

  async norm(name: string): Promise<RMSNorm> {
    const weight = await this.tensor(`${name}.weight`, [this.config.hidden_size])
    return new RMSNorm(name, weight, this.config.rms_norm_eps)
  }

  async linear(
    name: string,
    inFeatures: number,
    outFeatures: number,
    hasBias: boolean,
  ): Promise<LinearLayer> {
    const bias = hasBias ? await this.tensor(`${name}.bias`, [outFeatures]) : undefined
    const { quantization } = this.options
    if (quantization && isPrequantized(this.source, name)) {
      const weight = await loadPrequantized(this.source, name, this.device)
      const layer = this.own(new Linear4bit(name, weight, quantization.bnb_4bit_compute_dtype, bias))
      this.report()
      if (weight.shape[0] !== outFeatures || weight.shape[1] !== inFeatures) {
        throw new Error(
          `'${name}' has shape (${weight.shape.join(', ')}); the config asks for (${outFeatures}, ${inFeatures})`,
        )
      }
      return layer
    }
    const shape = [outFeatures, inFeatures]
    if (!quantization?.load_in_4bit || skipped(name, quantization))
      return new Linear(name, await this.tensor(`${name}.weight`, shape), bias)
    this.checkShape(`${name}.weight`, shape)
    const weight = await this.stream.quantized(`${name}.weight`, {
      quant_type: quantization.bnb_4bit_quant_type,
      compress_statistics: quantization.bnb_4bit_use_double_quant,
    })
    const layer = this.own(new Linear4bit(name, weight, quantization.bnb_4bit_compute_dtype, bias))
    this.report()
    return layer
  }

  async layer(index: number, rotary: RotaryEmbedding): Promise<DecoderLayer> {
    const { config } = this
    const { hidden_size: hidden, intermediate_size: inner, head_dim: headDim } = config
    const heads = config.num_attention_heads
    const kvHeads = config.num_key_value_heads
    const prefix = `model.layers.${index}`
    const attn = (key: string, inF: number, outF: number): Promise<LinearLayer> =>
      this.linear(`${prefix}.self_attn.${key}`, inF, outF, config.attention_bias)
    const mlp = (key: string, inF: number, outF: number): Promise<LinearLayer> =>
      this.linear(`${prefix}.mlp.${key}`, inF, outF, config.mlp_bias)
    // Side by side: the stream bounds what is on its way.
    const [norm1, q, k, v, o, norm2, gate, up, down] = await allSettled([
      this.norm(`${prefix}.input_layernorm`),
      attn('q_proj', hidden, heads * headDim),
      attn('k_proj', hidden, kvHeads * headDim),
      attn('v_proj', hidden, kvHeads * headDim),
      attn('o_proj', heads * headDim, hidden),
      this.norm(`${prefix}.post_attention_layernorm`),
      mlp('gate_proj', hidden, inner),
      mlp('up_proj', hidden, inner),
      mlp('down_proj', inner, hidden),
    ])
    return new DecoderLayer(
      index,
      norm1,
      new Attention(q, k, v, o, { heads, kvHeads, headDim, window: 0 }, rotary),
      norm2,
      new MLP(gate, up, down),
    )
  }

  /** Registers what is to be freed when building fails. */
  own<T extends { dispose(): void }>(item: T): T {
    this.loaded.push(item)
    return item
  }
}

/** The head always stays unquantized; `llm_int8_skip_modules` names more, by the end of their path. */
export function skipped(name: string, quantization: BitsAndBytesConfig): boolean {
  const skip = quantization.llm_int8_skip_modules ?? ['lm_head']
  return (
    name === 'lm_head' || skip.some((s) => name === s || name.endsWith(`.${s}`) || name.startsWith(`${s}.`))
  )
}
