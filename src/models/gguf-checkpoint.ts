import { type GgufFile, type GgufTensorInfo, openGguf } from '../files/gguf'
import { PretrainedConfig } from './config'
import { blueprintOf, familyOf, familyOfGguf, ggufArchitectures } from './families'
import { checkpointKeys, ggufNumber, unpermuteRows } from './gguf-names'

/** A GGUF seen as a Hugging Face checkpoint: its config, keys and row order. */
export class GgufCheckpoint {
  /** Tensors by checkpoint key (`model.layers.0.self_attn.q_proj.weight`); `name` is GGUF's own. */
  readonly tensors: Map<string, GgufTensorInfo> = new Map()
  /** What `config.json` would hold. */
  readonly config: Record<string, unknown>

  private constructor(readonly file: GgufFile) {
    this.config = ggufConfig(file)
    const config = new PretrainedConfig(this.config)
    if (config.num_hidden_layers > file.tensors.length)
      throw new Error(
        `block_count is ${config.num_hidden_layers}; there are ${file.tensors.length} tensors in all`,
      )
    const keys = checkpointKeys(blueprintOf(config))
    for (const tensor of file.tensors) {
      const key = keys.get(tensor.name)
      if (!key) {
        const { architecture } = config
        throw new Error(`${file.path}: tensor '${tensor.name}' has no place in a ${architecture}`)
      }
      this.tensors.set(key, tensor)
    }
  }

  /** @throws Error when the file is faulty, of another architecture, or has tensors that a model of its family has not */
  static async open(path: string): Promise<GgufCheckpoint> {
    return new GgufCheckpoint(await openGguf(path))
  }

  /** One tensor by checkpoint key, dequantized to fp32, row-major, q and k rows in Hugging Face order. */
  async read(key: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Float32Array> {
    const info = this.tensors.get(key)
    if (!info)
      throw new Error(`${this.file.path}: no tensor for '${key}' among its ${this.tensors.size} tensors`)
    const values = await this.file.read(info.name, options)
    if (!familyOfGguf(architectureOf(this.file))!.interleavesHeads) return values
    const [rows = 1, columns = 1] = info.shape
    if (info.name.includes('.attn_q.')) return unpermuteRows(values, rows, columns, heads(this.file, ''))
    if (info.name.includes('.attn_k.')) return unpermuteRows(values, rows, columns, heads(this.file, '_kv'))
    return values
  }
}

function architectureOf(file: GgufFile): string {
  return String(file.metadata['general.architecture'])
}

/**
 * The Hugging Face `config.json` of a GGUF. Things a GGUF does not tell (initializer_range, dropout) are left to the family's
 * defaults.
 *
 * @throws Error when no family has the architecture or the file uses what the family's models do not have
 */
export function ggufConfig(file: GgufFile): Record<string, unknown> {
  const { metadata } = file
  const names = new Set(file.tensors.map((tensor) => tensor.name))
  refuseOtherModels(file, names)
  const prefix = architectureOf(file)
  const number = (key: string): number => ggufNumber(metadata, `${prefix}.${key}`)
  const optional = (key: string, standard: number): number =>
    metadata[`${prefix}.${key}`] === undefined ? standard : number(key)
  // Mistral's files say llama; those with a window say so.
  const window = optional('attention.sliding_window', 0)
  const { modelType } = familyOfGguf(prefix, window > 0)!
  const hidden = number('embedding_length')
  return {
    architectures: [familyOf(modelType).architecture],
    model_type: modelType,
    ...(window > 0 && { sliding_window: window, use_sliding_window: true, max_window_layers: 0 }),
    ...(modelType === 'granite' && {
      attention_multiplier: shortestFloat32(number('attention.scale')),
      embedding_multiplier: shortestFloat32(number('embedding_scale')),
      residual_multiplier: shortestFloat32(number('residual_scale')),
      logits_scaling: shortestFloat32(number('logit_scale')),
    }),
    attention_bias: names.has('blk.0.attn_q.bias'),
    mlp_bias: names.has('blk.0.ffn_gate.bias'),
    hidden_act: 'silu',
    hidden_size: hidden,
    intermediate_size: number('feed_forward_length'),
    max_position_embeddings: number('context_length'),
    num_attention_heads: heads(file, ''),
    num_hidden_layers: number('block_count'),
    num_key_value_heads: heads(file, '_kv'),
    head_dim: optional('attention.key_length', hidden / heads(file, '')),
    rms_norm_eps: shortestFloat32(number('attention.layer_norm_rms_epsilon')),
    rope_theta: shortestFloat32(optional('rope.freq_base', 10000)),
    rope_scaling: ropeScaling(file),
    tie_word_embeddings: !names.has('output.weight'),
    vocab_size: file.info('token_embd.weight').shape[0],
    ...specialTokens(file),
    torch_dtype: 'float32',
  }
}

function refuseOtherModels(file: GgufFile, names: Set<string>): void {
  const architecture = architectureOf(file)
  if (!ggufArchitectures.includes(architecture)) {
    throw new Error(
      `${file.path}: GGUF architecture '${architecture}' is not supported; supported: ${ggufArchitectures.join(', ')}`,
    )
  }
  if (Number(file.metadata[`${architecture}.expert_count`] ?? 0) > 0) {
    throw new Error(`${file.path}: mixture-of-experts models are not supported`)
  }
  // Llama 3.1's frequency factors: rope_scaling's parameters cannot be told from them with certainty.
  if (names.has('rope_freqs.weight')) {
    throw new Error(
      `${file.path}: scaled RoPE by rope_freqs.weight is not supported from GGUF; use the safetensors model`,
    )
  }
}

function ropeScaling(file: GgufFile): Record<string, unknown> | null {
  const type = file.metadata[`${architectureOf(file)}.rope.scaling.type`] ?? 'none'
  if (type === 'none') return null
  if (type !== 'linear')
    throw new Error(`${file.path}: RoPE scaling '${String(type)}' is not supported; supported: linear`)
  return {
    rope_type: 'linear',
    factor: shortestFloat32(ggufNumber(file.metadata, `${architectureOf(file)}.rope.scaling.factor`)),
  }
}

function specialTokens(file: GgufFile): Record<string, unknown> {
  const id = (name: string): unknown => file.metadata[`tokenizer.ggml.${name}_token_id`]
  const eos = id('eos')
  return {
    bos_token_id: id('bos') ?? null,
    eos_token_id: eos ?? null,
    pad_token_id: id('padding') ?? eos ?? null,
  }
}

function heads(file: GgufFile, which: '' | '_kv'): number {
  const key = `${architectureOf(file)}.attention.head_count${which}`
  return which && file.metadata[key] === undefined ? heads(file, '') : ggufNumber(file.metadata, key)
}

/** The shortest decimal that is the same fp32 number: 1e-5, where the fp32 value read as a double is 9.99999974e-6. */
function shortestFloat32(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}
