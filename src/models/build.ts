import { Attention } from '../nn/attention'
import { Embedding } from '../nn/embedding'
import { Linear, type LinearLayer } from '../nn/linear'
import { Linear4bit } from '../nn/linear4bit'
import { MLP } from '../nn/mlp'
import { RMSNorm } from '../nn/rms-norm'
import { RotaryEmbedding } from '../nn/rope'
import type { BitsAndBytesConfig } from '../quantization/config'
import { isPrequantized, loadPrequantized } from '../quantization/prequantized'
import { quantizeWeight } from '../quantization/quantize'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'
import type { ModelParts } from './causal-lm'
import type { LlamaConfig } from './config'
import { DecoderLayer } from './decoder-layer'
import type { WeightSource } from './weights'

export interface BuildOptions {
  dtype: FloatDType
  quantization?: BitsAndBytesConfig | undefined
  signal?: AbortSignal | undefined
  /** Called after each tensor. */
  progress?: ((done: number, total: number) => void) | undefined
}

/** Builds a decoder's parts from a weight source, quantizing linear layers on the way: one full matrix lives at a time. */
export async function buildModel(
  config: LlamaConfig,
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
  }
}

class Loader {
  private done = 0
  private readonly total: number
  private readonly loaded: { dispose(): void }[] = []

  constructor(
    private readonly config: LlamaConfig,
    private readonly source: WeightSource,
    private readonly device: Device,
    private readonly options: BuildOptions,
  ) {
    this.total = source.names().length
  }

  /** A half-built model gives its memory back. */
  disposeAll(): void {
    for (const item of this.loaded) item.dispose()
  }

  async tensor(name: string, shape: number[]): Promise<Tensor> {
    this.options.signal?.throwIfAborted()
    const stored = this.source.shape(name)
    if (stored.join() !== shape.join()) {
      throw new Error(`'${name}' has shape (${stored.join(', ')}); the config asks for (${shape.join(', ')})`)
    }
    const tensor = await this.source.load(name, this.device, this.options.dtype)
    this.loaded.push(tensor)
    this.options.progress?.(++this.done, this.total)
    return tensor
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
      this.options.progress?.(++this.done, this.total)
      if (weight.shape[0] !== outFeatures || weight.shape[1] !== inFeatures) {
        throw new Error(
          `'${name}' has shape (${weight.shape.join(', ')}); the config asks for (${outFeatures}, ${inFeatures})`,
        )
      }
      return this.own(new Linear4bit(name, weight, quantization.bnb_4bit_compute_dtype, bias))
    }
    const weight = await this.tensor(`${name}.weight`, [outFeatures, inFeatures])
    if (!quantization?.load_in_4bit || skipped(name, quantization))
      return this.own(new Linear(name, weight, bias))
    const quantized = quantizeWeight(weight, {
      quant_type: quantization.bnb_4bit_quant_type,
      compress_statistics: quantization.bnb_4bit_use_double_quant,
    })
    weight.dispose()
    // Loading runs ahead of the device otherwise, and every full matrix would be alive at once.
    await this.device.synchronize()
    return this.own(new Linear4bit(name, quantized, quantization.bnb_4bit_compute_dtype, bias))
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
    return new DecoderLayer(
      index,
      await this.norm(`${prefix}.input_layernorm`),
      new Attention(
        await attn('q_proj', hidden, heads * headDim),
        await attn('k_proj', hidden, kvHeads * headDim),
        await attn('v_proj', hidden, kvHeads * headDim),
        await attn('o_proj', heads * headDim, hidden),
        { heads, kvHeads, headDim, window: 0 },
        rotary,
      ),
      await this.norm(`${prefix}.post_attention_layernorm`),
      new MLP(
        await mlp('gate_proj', hidden, inner),
        await mlp('up_proj', hidden, inner),
        await mlp('down_proj', inner, hidden),
      ),
    )
  }

  /** Registers what is to be freed when building fails. */
  own<T extends { dispose(): void }>(item: T): T {
    this.loaded.push(item)
    return item
  }
}

/** The head always stays unquantized; `llm_int8_skip_modules` names more, by the end of their path. */
function skipped(name: string, quantization: BitsAndBytesConfig): boolean {
  const skip = quantization.llm_int8_skip_modules ?? ['lm_head']
  return (
    name === 'lm_head' || skip.some((s) => name === s || name.endsWith(`.${s}`) || name.startsWith(`${s}.`))
  )
}
