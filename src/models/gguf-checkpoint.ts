import { type GgufFile, type GgufTensorInfo, openGguf } from '../files/gguf'
import { PretrainedConfig } from './config'
import { ggufLayerFields, longRopeFactors, readRopeScaling, ROPE_FACTORS } from './gguf-fields'
import { blueprintOf, familyOf, familyOfGguf, ggufArchitectures } from './families'
import { checkpointKeys, ggufNumber, shortestFloat32, unpermuteRows } from './gguf-names'

/** A GGUF file presented as a Hugging Face checkpoint: its config, keys and row order. */
export class GgufCheckpoint {
  /** Tensors by checkpoint key (`model.layers.0.self_attn.q_proj.weight`); `name` is GGUF's own. */
  readonly tensors: Map<string, GgufTensorInfo> = new Map()
  /** The fields of the corresponding `config.json`. */
  readonly config: Record<string, unknown>

  private constructor(
    readonly file: GgufFile,
    factors: Record<string, unknown> | undefined,
  ) {
    this.config = { ...ggufConfig(file), ...(factors && { rope_scaling: factors }) }
    const config = new PretrainedConfig(this.config)
    if (config.num_hidden_layers > file.tensors.length)
      throw new Error(
        `block_count is ${config.num_hidden_layers}; there are ${file.tensors.length} tensors in all`,
      )
    const keys = checkpointKeys(blueprintOf(config))
    for (const tensor of file.tensors) {
      if (ROPE_FACTORS.includes(tensor.name)) continue
      const key = keys.get(tensor.name)
      if (!key) {
        const { architecture } = config
        throw new Error(`${file.path}: tensor '${tensor.name}' has no place in a ${architecture}`)
      }
      this.tensors.set(key, tensor)
    }
  }

  /**
   * @throws Error when the file is damaged, has another architecture, or contains tensors that its family does
   * not have.
   */
  static async open(path: string): Promise<GgufCheckpoint> {
    const file = await openGguf(path)
    refuseOtherModels(file)
    return new GgufCheckpoint(file, await longRopeFactors(file))
  }

  /** One tensor by checkpoint key, dequantized to fp32, row-major, q and k rows in Hugging Face order. */
  async read(key: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Float32Array> {
    const info = this.tensors.get(key)
    if (!info)
      throw new Error(`${this.file.path}: no tensor for '${key}' among its ${this.tensors.size} tensors`)
    const values = await this.file.read(info.name, options)
    const { interleavesHeads, normsAddOne } = familyOfGguf(architectureOf(this.file))!
    if (normsAddOne && info.name.endsWith('norm.weight')) return values.map((value) => value - 1)
    if (!interleavesHeads) return values
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
 * The Hugging Face `config.json` of a GGUF file. Fields that GGUF does not have (initializer_range, dropout)
 * get the family's defaults.
 *
 * @throws Error when no family has the architecture, or the file uses something that the family does not
 * support.
 */
export function ggufConfig(file: GgufFile): Record<string, unknown> {
  const { metadata } = file
  const names = new Set(file.tensors.map((tensor) => tensor.name))
  const prefix = architectureOf(file)
  const number = (key: string): number => ggufNumber(metadata, `${prefix}.${key}`)
  const optional = (key: string, standard: number): number =>
    metadata[`${prefix}.${key}`] === undefined ? standard : number(key)
  // Mistral's files say llama; a window identifies them.
  const window = optional('attention.sliding_window', 0)
  const { modelType, fields = {}, optionalFields = {} } = familyOfGguf(prefix, window > 0)!
  const family = familyOf(modelType)
  const hidden = number('embedding_length')
  return {
    architectures: [family.architecture],
    model_type: modelType,
    ...(window > 0 && { sliding_window: window, use_sliding_window: true, max_window_layers: 0 }),
    ...Object.fromEntries(
      Object.entries({ ...optionalFields, ...fields }).flatMap(([key, field]) =>
        key in optionalFields && metadata[`${prefix}.${key}`] === undefined
          ? []
          : [[field, shortestFloat32(number(key))]],
      ),
    ),
    ...ggufLayerFields(file, modelType),
    attention_bias: names.has('blk.0.attn_q.bias'),
    mlp_bias: names.has('blk.0.ffn_gate.bias'),
    ...(!family.activation && { hidden_act: 'silu' }),
    hidden_size: hidden,
    intermediate_size: number('feed_forward_length'),
    max_position_embeddings: number('context_length'),
    num_attention_heads: heads(file, ''),
    num_hidden_layers: number('block_count'),
    num_key_value_heads: heads(file, '_kv'),
    head_dim: optional('attention.key_length', hidden / heads(file, '')),
    rms_norm_eps: shortestFloat32(number('attention.layer_norm_rms_epsilon')),
    rope_theta: shortestFloat32(optional('rope.freq_base', 10000)),
    rope_scaling: readRopeScaling(file),
    tie_word_embeddings: !names.has('output.weight'),
    vocab_size: file.info('token_embd.weight').shape[0],
    ...specialTokens(file),
    torch_dtype: 'float32',
  }
}

function refuseOtherModels(file: GgufFile): void {
  const names = new Set(file.tensors.map((tensor) => tensor.name))
  const architecture = architectureOf(file)
  if (!ggufArchitectures.includes(architecture)) {
    throw new Error(
      `${file.path}: GGUF architecture '${architecture}' is not supported; supported: ${ggufArchitectures.join(', ')}`,
    )
  }
  if (Number(file.metadata[`${architecture}.expert_count`] ?? 0) > 0) {
    throw new Error(`${file.path}: mixture-of-experts models are not supported`)
  }
  // Llama 3.1's frequency factors: the parameters of rope_scaling cannot be derived from them reliably.
  if (names.has('rope_freqs.weight')) {
    throw new Error(
      `${file.path}: scaled RoPE by rope_freqs.weight is not supported from GGUF; use the safetensors model`,
    )
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
