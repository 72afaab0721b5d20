import type { CausalLM } from '../models/causal-lm'
import { KVCache } from '../models/kv-cache'

/**
 * Keys and values of one sequence, kept between calls: `generate({ input_ids }, { past_key_values: cache })`.
 * The common beginning of the new prompt and the cached tokens is not computed again. A cache belongs to one
 * model with the adapters that were active when it was filled; after a change of weights a new one is needed.
 * `dispose()` frees it.
 */
export class DynamicCache {
  private held: { model: CausalLM; cache: KVCache } | undefined
  private seen: number[] = []

  /** The ids whose keys and values are cached. */
  get ids(): readonly number[] {
    return this.seen
  }

  get_seq_length(): number {
    return this.seen.length
  }

  /**
   * Number of tokens at the beginning of `ids` that are cached, at most all but the last one, whose logits have
   * to be computed.
   */
  prefixOf(ids: readonly number[]): number {
    let same = 0
    while (same < ids.length - 1 && ids[same] === this.seen[same]) same++
    return same
  }

  /**
   * A cache with room for `capacity` tokens that contains the common beginning of `ids` and this one. For
   * `generate`. @internal
   */
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

  /** Records the content of the cache after a call: the first tokens of `ids`. @internal */
  close(ids: readonly number[]): void {
    this.seen = ids.slice(0, this.held?.cache.lengths[0] ?? 0)
  }

  /** Removes all but the first `length` tokens. */
  crop(length: number): void {
    this.seen = this.seen.slice(0, length)
  }

  /** The tensors [tokens, kvHeads * headDim] of each layer, as views; for saving. */
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
