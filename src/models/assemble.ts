import { Attention, type QkvLayers } from '../nn/attention'
import { Embedding } from '../nn/embedding'
import { Linear, type LinearLayer } from '../nn/linear'
import type { OutputHead } from '../nn/loss'
import { MLP, type GateUpLayers } from '../nn/mlp'
import { RMSNorm } from '../nn/rms-norm'
import { RotaryEmbedding } from '../nn/rope'
import type { Device } from '../tensor/device'
import type { Tensor } from '../tensor/tensor'
import type { Blueprint, EmbeddingModule, LayerBlueprint, NormModule } from './blueprint'
import { DecoderLayer, type LayerNorms } from './decoder-layer'

/** The module made from a description. */
export type Part = LinearLayer | RMSNorm | Embedding

/** A decoder's modules, arranged as the passes use them; the names are those of the checkpoint keys. */
export interface ModelParts extends OutputHead {
  embed_tokens: Embedding
  layers: DecoderLayer[]
  norm: RMSNorm
}

/** A norm or an embedding around its weight. */
export function plainPart(module: NormModule | EmbeddingModule, weight: Tensor): RMSNorm | Embedding {
  return module.kind === 'embedding'
    ? new Embedding(module.key, weight, module)
    : new RMSNorm(module.key, weight, module.eps, module)
}

/** The rotary table of each layer, undefined if it has none. Layers with the same size and parameters share one. */
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

/** Arranges modules, given by key, into the parts of a model. */
export function assemble(
  { embedding, layers, norm, head, tied, logitSoftcap }: Blueprint,
  made: ReadonlyMap<string, Part>,
  rotaries: readonly (RotaryEmbedding | undefined)[],
): ModelParts {
  const embed_tokens = made.get(embedding.key) as Embedding
  return {
    embed_tokens,
    layers: layers.map((layer, i) => assembleLayer(i, layer, made, rotaries[i])),
    norm: made.get(norm.key) as RMSNorm,
    lm_head: tied ? new Linear(head.key, embed_tokens.weight) : (made.get(head.key) as LinearLayer),
    logitSoftcap,
  }
}

function assembleLayer(
  index: number,
  layer: LayerBlueprint,
  made: ReadonlyMap<string, Part>,
  rotary: RotaryEmbedding | undefined,
): DecoderLayer {
  const { prefix, heads, kvHeads, headDim, window, attentionScale, attentionSoftcap } = layer
  const part = (key: string): Part | undefined => made.get(`${prefix}.${key}`)
  const norm = (key: string): RMSNorm | undefined => part(key) as RMSNorm | undefined
  const linears = (path: string, names: readonly string[]): unknown =>
    Object.fromEntries(names.map((name) => [name, part(`${path}.${name}`)]).filter(([, made]) => made))
  return new DecoderLayer(
    index,
    Object.fromEntries(layerNorms.map((key) => [key, norm(key)])) as unknown as LayerNorms,
    new Attention(
      linears('self_attn', ['q_proj', 'k_proj', 'v_proj', 'qkv_proj']) as QkvLayers,
      part('self_attn.o_proj') as LinearLayer,
      { heads, kvHeads, headDim, window, scale: attentionScale, softcap: attentionSoftcap },
      rotary,
      norm('self_attn.q_norm'),
      norm('self_attn.k_norm'),
    ),
    new MLP(
      linears('mlp', ['gate_proj', 'up_proj', 'gate_up_proj']) as GateUpLayers,
      part('mlp.down_proj') as LinearLayer,
      layer.activation,
    ),
    layer.residualScale,
  )
}

const layerNorms: readonly (keyof LayerNorms)[] = [
  'input_layernorm',
  'post_attention_layernorm',
  'pre_feedforward_layernorm',
  'post_feedforward_layernorm',
]

/** Where a module is among the parts, by its key. */
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
