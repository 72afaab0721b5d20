import type { CausalLM } from '../models/causal-lm'
import { KVCache } from '../models/kv-cache'

/**
 * Keys and values of one sequence, kept from one call to the next: `generate({ input_ids }, { past_key_values: cache })`. What the
 * new prompt and the cached tokens begin with in common is not computed again. It belongs to one model with the adapters that were
 * on when it was filled; a change of weights needs a new one. `dispose()` frees it.
 */
export class DynamicCache {
  private held: { model: CausalLM; cache: KVCache } | undefined
  private seen: number[] = []

  /** Ids whose keys and values it has. */
  get ids(): readonly number[] {
    return this.seen
  }

  get_seq_length(): number {
    return this.seen.length
  }

  /** How many tokens of `ids` it has from the begin on; all but the last count, whose logits are to be computed. */
  prefixOf(ids: readonly number[]): number {
    let same = 0
    while (same < ids.length - 1 && ids[same] === this.seen[same]) same++
    return same
  }

  /** A cache with room for `capacity` tokens that begins with what `ids` and this one have in common. For `generate`. */
  open(model: CausalLM, ids: readonly number[], capacity: number): KVCache {
    if (this.held && this.held.model !== model)
      throw new Error(
        '[generate] past_key_values: it is of another model; give each model a DynamicCache of its own',
      )
    this.held ??= { model, cache: new KVCache(model, capacity) }
    const { cache } = this.held
    cache.grow(capacity)
    cache.crop(0, this.prefixOf(ids))
    this.seen = []
    return cache
  }

  /** What the cache holds when a call is over: the first tokens of `ids`. */
  close(ids: readonly number[]): void {
    this.seen = ids.slice(0, this.held?.cache.lengths[0] ?? 0)
  }

  /** Forgets all but the first `length` tokens. */
  crop(length: number): void {
    this.seen = this.seen.slice(0, length)
  }

  /** The tensors [tokens, kvHeads * headDim] of each layer, views of what is held; for saving. */
  get layers(): KVCache['layers'] {
    return this.held?.cache.layers ?? []
  }

  dispose(): void {
    this.held?.cache.dispose()
    this.held = undefined
    this.seen = []
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
