// What the step benches share: random weights of a model's shapes and random batches. The speed does not depend on values.

/** Llama-3-8B's configuration, with fewer layers if asked. */
export const llama8b = (layers = 32) => ({
  model_type: 'llama',
  vocab_size: 128256,
  hidden_size: 4096,
  intermediate_size: 14336,
  num_hidden_layers: layers,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  tie_word_embeddings: false,
})

/** NF4 with double quantization. */
export const nf4 = /** @type {const} */ ({
  load_in_4bit: true,
  bnb_4bit_quant_type: 'nf4',
  bnb_4bit_compute_dtype: 'bfloat16',
  bnb_4bit_use_double_quant: true,
})

/** A weight source for `buildModel`: tensors of these shapes (`tensorShapes`), normal with deviation 0.02, norms around 1. */
export class RandomSource {
  constructor(shapes, random) {
    this.shapes = shapes
    this.random = random
  }
  has() {
    return false
  }
  names() {
    return Object.keys(this.shapes)
  }
  shape(name) {
    return this.shapes[name]
  }
  async load(name, device, dtype) {
    const tensor = device.empty(this.shape(name), dtype)
    this.random.normal(tensor, name.endsWith('norm.weight') ? 1 : 0, 0.02)
    await device.synchronize()
    return tensor
  }
}

/** `batch` sequences of `seq` random tokens below `vocab`, every token a target. */
export function randomBatch(batch, seq, vocab) {
  return randomRows(Array(batch).fill(seq), vocab)
}

/** Sequences of these lengths. */
export function randomRows(lengths, vocab) {
  const cu_seqlens = Int32Array.from([0, ...lengths])
  for (let i = 1; i < cu_seqlens.length; i++) cu_seqlens[i] += cu_seqlens[i - 1]
  const input_ids = Int32Array.from({ length: cu_seqlens.at(-1) }, () => Math.floor(Math.random() * vocab))
  const position_ids = Int32Array.from(lengths.flatMap((length) => [...Array(length).keys()]))
  return { input_ids, labels: input_ids, position_ids, cu_seqlens }
}
