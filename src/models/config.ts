import type { Activation } from '../nn/mlp'
import type { RopeParameters } from '../nn/rope-frequencies'
import type { FloatDType } from '../tensor/dtype'
import { logger } from '../logging'
import { parseFloatDType } from '../tensor/dtype'
import { familyOf, refuseForeignFields } from './families'
import { readRope, type LayerType } from './rope-config'

/**
 * A decoder's configuration with Hugging Face's field names. Both the 4.x names (`rope_theta`, `rope_scaling`,
 * `torch_dtype`) and the 5.x names (`rope_parameters`, `dtype`) are read. Unknown fields are kept and written
 * back.
 */
export class PretrainedConfig {
  readonly model_type: string
  readonly vocab_size: number
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly num_key_value_heads: number
  readonly head_dim: number
  readonly max_position_embeddings: number
  readonly rms_norm_eps: number
  /** Those of the layers with full attention; in most families all layers have the same. */
  readonly rope_parameters: RopeParameters
  readonly rope_by_layer_type: Readonly<Record<LayerType, RopeParameters>>
  /** The activation of the MLP's gate. */
  readonly activation: Activation
  readonly attention_bias: boolean
  readonly mlp_bias: boolean
  readonly tie_word_embeddings: boolean
  readonly bos_token_id: number | null
  readonly eos_token_id: number | number[] | null
  readonly pad_token_id: number | null
  /** Dtype of the checkpoint, if given. */
  readonly dtype: FloatDType | undefined
  /** Default of `generate`'s option of this name. Training never uses a cache. */
  use_cache: boolean
  /** transformers' class of this family, e.g. `LlamaForCausalLM`. */
  readonly architecture: string
  private tensorParallel = 1
  /** The given fields, and the family's defaults for missing ones. */
  private readonly fields: Readonly<Record<string, unknown>>

  /** @throws Error on an unsupported model_type, a missing size, sizes that do not fit, an unknown activation. */
  constructor(private readonly raw: Record<string, unknown>) {
    this.model_type = String(raw['model_type'] ?? 'llama')
    const family = familyOf(this.model_type)
    this.architecture = family.architecture
    this.fields = { ...family.defaults, ...raw }
    refuseForeignFields(this.model_type, raw)
    this.vocab_size = this.size('vocab_size')
    this.hidden_size = this.size('hidden_size')
    this.intermediate_size = this.size('intermediate_size')
    this.num_hidden_layers = this.size('num_hidden_layers')
    this.num_attention_heads = this.size('num_attention_heads')
    this.num_key_value_heads = this.size('num_key_value_heads', this.num_attention_heads)
    this.head_dim = this.headDim()
    this.max_position_embeddings = this.size('max_position_embeddings', 2048)
    this.rms_norm_eps = positive('rms_norm_eps', this.fields['rms_norm_eps'] ?? 1e-6)
    const ropeFields = { ...this.fields, max_position_embeddings: this.max_position_embeddings }
    this.rope_by_layer_type = readRope(ropeFields, this.head_dim, family.rope ?? {})
    this.rope_parameters = this.rope_by_layer_type.full_attention
    this.attention_bias = flag('attention_bias', raw['attention_bias'])
    this.mlp_bias = flag('mlp_bias', raw['mlp_bias'])
    this.tie_word_embeddings = flag('tie_word_embeddings', this.fields['tie_word_embeddings'])
    this.bos_token_id = this.tokenId('bos_token_id', raw['bos_token_id'])
    const eos = raw['eos_token_id']
    this.eos_token_id = Array.isArray(eos)
      ? eos.map((id) => this.tokenId('eos_token_id', id) ?? -1)
      : this.tokenId('eos_token_id', eos)
    this.pad_token_id = this.tokenId('pad_token_id', raw['pad_token_id'])
    if ((this.pad_token_id ?? 0) >= this.vocab_size)
      throw new Error(
        `config: 'pad_token_id' is ${this.pad_token_id}; the embedding ends at ${this.vocab_size - 1}`,
      )
    const dtype = raw['dtype'] ?? raw['torch_dtype']
    if (dtype != null && typeof dtype !== 'string')
      throw new Error(`config: dtype must be a name such as 'bfloat16', got ${JSON.stringify(dtype)}`)
    this.dtype = dtype == null ? undefined : parseFloatDType(dtype, 'config: dtype')
    const quantized = raw['quantization_config']
    if (quantized != null && !isObject(quantized))
      throw new Error(`config: quantization_config must be an object, got ${JSON.stringify(quantized)}`)
    this.use_cache = raw['use_cache'] !== false
    const { field: key, names } = family.activation ?? {
      field: 'hidden_act',
      names: { silu: 'silu' } as const,
    }
    const activation = String(this.fields[key] ?? 'silu')
    if (!Object.hasOwn(names, activation))
      throw new Error(
        `config: ${key} '${activation}' is not supported; supported: ${Object.keys(names).join(', ')}`,
      )
    this.activation = (names as Record<string, Activation>)[activation]!
    if (this.num_attention_heads % this.num_key_value_heads !== 0) {
      throw new Error(
        `config: num_attention_heads ${this.num_attention_heads} is not a multiple of num_key_value_heads ${this.num_key_value_heads}`,
      )
    }
  }

  /**
   * Slices of Megatron's tensor parallelism in pre-training; only 1 is supported, which computes the same
   * exactly.
   */
  get pretraining_tp(): number {
    return this.tensorParallel
  }

  set pretraining_tp(value: number) {
    if (value !== 1)
      throw new Error(`config: pretraining_tp ${value} is not supported; 1 computes the same exactly`)
    this.tensorParallel = value
  }

  /** A field that only some families have: the given value, else the family's default, else undefined. */
  field(key: string): unknown {
    return this.fields[key]
  }

  /** `quantization_config` of the file, if its weights are quantized. */
  get quantization_config(): Record<string, unknown> | undefined {
    return (this.raw['quantization_config'] ?? undefined) as Record<string, unknown> | undefined
  }

  /** The configuration of the same model with full weights. */
  withoutQuantization(): PretrainedConfig {
    const { quantization_config: _, ...raw } = this.raw
    return new PretrainedConfig(raw)
  }

  /** The same with another number of tokens. @throws Error when a token that it names is none of them */
  withVocabulary(vocab_size: number): PretrainedConfig {
    return new PretrainedConfig({ ...this.raw, vocab_size })
  }

  /** The object to write as config.json. */
  to_dict(): Record<string, unknown> {
    return { ...this.raw, use_cache: this.use_cache }
  }

  /** Must be even, since the rotation works on pairs. */
  private headDim(): number {
    const { hidden_size: hidden, num_attention_heads: heads } = this
    if (this.fields['head_dim'] == null && hidden % heads !== 0) {
      throw new Error(
        `config: hidden_size ${hidden} is not a multiple of num_attention_heads ${heads}, and there is no head_dim`,
      )
    }
    const dim = this.size('head_dim', hidden / heads)
    if (dim % 2 !== 0) throw new Error(`config: the size of a head must be even, got ${dim}`)
    return dim
  }

  /** A token's id; null for -1 and null. An id outside the vocabulary never occurs: it is kept, with a warning. */
  private tokenId(key: string, value: unknown): number | null {
    if (value === undefined || value === null) return null
    if (typeof value !== 'number' || !Number.isInteger(value) || value < -1)
      throw new Error(`config: '${key}' must be a token's id or null, got ${JSON.stringify(value)}`)
    if (value >= this.vocab_size)
      logger.warning(`config: '${key}' is ${value}, but the vocabulary ends at ${this.vocab_size - 1}`)
    return value
  }

  private size(key: string, otherwise?: number): number {
    const value = this.fields[key] ?? otherwise
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
      throw new Error(`config: '${key}' must be a positive integer, got ${JSON.stringify(this.raw[key])}`)
    }
    return value
  }
}

function positive(key: string, value: unknown): number {
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value
  throw new Error(`config: '${key}' must be a positive number, got ${JSON.stringify(value)}`)
}

function flag(key: string, value: unknown): boolean {
  if (value === undefined || value === null || typeof value === 'boolean') return value === true
  throw new Error(`config: '${key}' must be true or false, got ${JSON.stringify(value)}`)
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
