import type { GgufValue } from './gguf-header'

/** Tensors of one `blk.N.` and what they are called in `model.layers.N.` of a Hugging Face checkpoint. */
const BLOCK_NAMES: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}
const OUTER_NAMES: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
}

/** Checkpoint key of a GGUF tensor of the llama architecture, or undefined when that architecture has no such tensor. */
export function ggufToCheckpointKey(name: string): string | undefined {
  if (Object.hasOwn(OUTER_NAMES, name)) return OUTER_NAMES[name]
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? []
  return part !== undefined && Object.hasOwn(BLOCK_NAMES, part)
    ? `model.layers.${layer}.${BLOCK_NAMES[part]}.${kind}`
    : undefined
}

/**
 * Puts the rows of a q or k projection back into Hugging Face order, as a new array. llama.cpp interleaves the two
 * halves of each head (rows 0, d/2, 1, d/2 + 1, ...) so that RoPE turns neighbours; here row h*d + i*(d/2) + j comes
 * from row h*d + 2j + i, d rows a head. `columns` is 1 for a bias.
 */
export function unpermuteRows(
  values: Float32Array,
  rows: number,
  columns: number,
  heads: number,
): Float32Array {
  const perHead = rows / heads
  const half = perHead / 2
  if (!Number.isInteger(half))
    throw new Error(`[unpermuteRows] ${rows} rows do not divide into ${heads} even heads`)
  const out = new Float32Array(values.length)
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < perHead; row++) {
      const from = (head * perHead + 2 * (row % half) + Math.floor(row / half)) * columns
      out.set(values.subarray(from, from + columns), (head * perHead + row) * columns)
    }
  }
  return out
}

/** The number that a metadata key must hold. */
export function ggufNumber(metadata: Record<string, GgufValue>, key: string): number {
  const value = metadata[key]
  if (typeof value !== 'number') {
    throw new Error(
      `GGUF metadata '${key}' is ${value === undefined ? 'missing' : typeof value}; expected a number`,
    )
  }
  return value
}
