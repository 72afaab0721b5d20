import { Attention } from '../nn/attention'
import type { Embedding } from '../nn/embedding'
import { Linear, type LinearLayer } from '../nn/linear'
import { MLP } from '../nn/mlp'
import type { RMSNorm } from '../nn/rms-norm'
import { RotaryEmbedding } from '../nn/rope'
import type { Device } from '../tensor/device'
import type { Blueprint, LayerBlueprint } from './blueprint'
import { DecoderLayer } from './decoder-layer'

/** What a described module becomes. */
export type Part = LinearLayer | RMSNorm | Embedding

/** A decoder's modules where the passes use them; the names are those of the checkpoint keys. */
export interface ModelParts {
  embed_tokens: Embedding
  layers: DecoderLayer[]
  norm: RMSNorm
  lm_head: LinearLayer
}

/** The rotary table of each layer, undefined where it has none; layers of the same size and parameters share one. */
export function rotaryTables({ layers }: Blueprint, device: Device): (RotaryEmbedding | undefined)[] {
  const tables = new Map<string, RotaryEmbedding>()
  return layers.map(({ headDim, rope }) => {
    if (!rope) return undefined
    const id = JSON.stringify([headDim, rope])
    const table = tables.get(id) ?? new RotaryEmbedding(headDim, rope, device)
    tables.set(id, table)
    return table
  })
}

/** Puts modules, given by key, where they belong. */
export function assemble(
  { embedding, layers, norm, head, tied }: Blueprint,
  made: ReadonlyMap<string, Part>,
  rotaries: readonly (RotaryEmbedding | undefined)[],
): ModelParts {
  const embed_tokens = made.get(embedding.key) as Embedding
  return {
    embed_tokens,
    layers: layers.map((layer, i) => assembleLayer(i, layer, made, rotaries[i])),
    norm: made.get(norm.key) as RMSNorm,
    lm_head: tied ? new Linear(head.key, embed_tokens.weight) : (made.get(head.key) as LinearLayer),
  }
}

function assembleLayer(
  index: number,
  { prefix, heads, kvHeads, headDim, window, attentionScale, residualScale }: LayerBlueprint,
  made: ReadonlyMap<string, Part>,
  rotary: RotaryEmbedding | undefined,
): DecoderLayer {
  const norm = (key: string): RMSNorm => made.get(`${prefix}.${key}`) as RMSNorm
  const optionalNorm = (key: string): RMSNorm | undefined => norm(key)
  const linear = (key: string): LinearLayer => made.get(`${prefix}.${key}`) as LinearLayer
  const [q, k, v, o] = ['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((key) => linear(`self_attn.${key}`))
  const [gate, up, down] = ['gate_proj', 'up_proj', 'down_proj'].map((key) => linear(`mlp.${key}`))
  return new DecoderLayer(
    index,
    norm('input_layernorm'),
    new Attention(
      ...([q!, k!, v!, o!] as const),
      { heads, kvHeads, headDim, window, scale: attentionScale },
      rotary,
      optionalNorm('self_attn.q_norm'),
      optionalNorm('self_attn.k_norm'),
    ),
    norm('post_attention_layernorm'),
    new MLP(gate!, up!, down!),
    residualScale,
  )
}

/** Where a module sits in the parts, by its key. */
export interface Place {
  get(): Part
  set(part: Part): void
}

export function placeOf(parts: ModelParts, key: string): Place {
  const path = key.replace(/^model\./, '').split('.')
  const name = path.pop()!
  const owner = path.reduce<object>((at, step) => at[step as keyof object], parts) as Record<string, Part>
  return { get: () => owner[name]!, set: (part) => (owner[name] = part) }
}
