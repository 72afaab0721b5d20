import type { CachePosition, LayerCache } from '../nn/attention'
import { Tensor } from '../tensor/tensor'
import { contextOf } from './pass'
import { toDevice } from './batch'
import type { CausalLM } from './causal-lm'

/** What the next token of one sequence needs of the ones before: keys and values, room for `capacity` tokens, taken at once. */
export class KVCache {
  /** Tokens seen so far. */
  length = 0
  readonly layers: LayerCache[]

  constructor(
    model: CausalLM,
    readonly capacity: number,
  ) {
    const width = model.config.num_key_value_heads * model.config.head_dim
    const room = (): Tensor => model.device.empty([capacity, width], model.dtype)
    this.layers = model.parts.layers.map(() => ({ k: room(), v: room() }))
  }

  dispose(): void {
    for (const { k, v } of this.layers) {
      k.dispose()
      v.dispose()
    }
  }
}

/**
 * Feeds the next tokens of a sequence and returns the logits after the last of them, float32 [vocab].
 * @throws Error when they do not fit into the cache.
 */
export async function decodeStep(
  model: CausalLM,
  ids: readonly number[],
  cache: KVCache,
): Promise<Float32Array> {
  const past = cache.length
  const end = past + ids.length
  if (end > cache.capacity)
    throw new Error(`[generate] ${end} tokens do not fit into a cache of ${cache.capacity}`)
  using scope = model.device.scope()
  const packed = {
    input_ids: Int32Array.from(ids),
    labels: new Int32Array(ids.length).fill(-100),
    position_ids: Int32Array.from(ids, (_, i) => past + i),
    cu_seqlens: Int32Array.of(0, ids.length),
  }
  const batch = toDevice(packed, model.config.vocab_size, model.device, scope)
  const ctx = contextOf(batch, scope, {})
  const cuKeys = scope.add(Tensor.from(Int32Array.of(0, end), { device: model.device }))
  const at: CachePosition = { past, cuKeys }
  let x = model.parts.embed_tokens.forward(batch.ids, ctx)
  for (const layer of model.parts.layers)
    x = scope.add(layer.forwardCached(x, ctx, cache.layers[layer.index]!, at))
  const last = scope.add(x.slice(ids.length - 1, ids.length))
  const logits = model.parts.lm_head.forward(model.parts.norm.forward(last, ctx).y, ctx)
  const values = await logits.data()
  cache.length = end
  return values
}
