import { addon } from '../native/addon'
import { copy, scatterRows } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import { normHeads, normHeadsBackward } from './head-norm'
import type { LinearLayer } from './linear'
import { projectBackward, type LowRank } from './projections'
import type { RMSNorm } from './rms-norm'
import type { RotaryEmbedding } from './rope'
import { joinParts, projectParts } from './split-projections'

export interface AttentionShape {
  heads: number
  kvHeads: number
  headDim: number
  /** Keys a query may look back to; 0 = all. */
  window: number
  /** Factor of the products of queries and keys. Default: 1 / sqrt(headDim). */
  scale?: number | undefined
  /** Scores become softcap * tanh(score / softcap). Default: no cap. */
  softcap?: number | undefined
}

/** The layers that compute q, k and v, by their names in the checkpoint: one for each, or one for all three. */
export type QkvLayers =
  { q_proj: LinearLayer; k_proj: LinearLayer; v_proj: LinearLayer } | { qkv_proj: LinearLayer }

/** The inputs of attention itself. */
interface HeadInputs {
  q: Tensor
  k: Tensor
  v: Tensor
}

/** q, k, v (see `project`), the attention output before o_proj, and lse [heads, T]. */
export interface AttentionSaved extends HeadInputs {
  out: Tensor
  lse: Tensor
  /** Adapter activations of q, k and v. */
  lowRank: LowRank
}

/** Keys and values of one layer for growing sequences: [places, kvHeads * headDim] each. */
export interface LayerCache {
  k: Tensor
  v: Tensor
}

/** The position in the cache of a pass that continues cached sequences. */
export interface CachePosition {
  /** Attention reads the places [begin, end) of the cache. */
  begin: number
  end: number
  /** int32 [sequences + 1]: where each sequence's keys begin, counted from `begin`. */
  cuKeys: Tensor
  /** Cache places of the new tokens: int32 [T], or the first place if they are contiguous. */
  places: Tensor | number
}

/**
 * Causal self-attention with grouped key/value heads and rotary positions. q and k may be normalized before
 * they are rotated.
 */
export class Attention {
  q_proj?: LinearLayer
  k_proj?: LinearLayer
  v_proj?: LinearLayer
  qkv_proj?: LinearLayer

  constructor(
    qkv: QkvLayers,
    public o_proj: LinearLayer,
    readonly shape: AttentionShape,
    /** Undefined: queries and keys do not depend on positions. */
    readonly rotary: RotaryEmbedding | undefined,
    readonly q_norm?: RMSNorm | undefined,
    readonly k_norm?: RMSNorm | undefined,
  ) {
    Object.assign(this, qkv)
  }

  private get scale(): number {
    return this.shape.scale ?? 1 / Math.sqrt(this.shape.headDim)
  }

  forward(x: Tensor, ctx: Context): { y: Tensor; saved: AttentionSaved } {
    const projections = this.project(x, ctx)
    const attention = this.attend(projections, ctx)
    return { y: this.output(attention.out, ctx), saved: { ...projections, ...attention } }
  }

  /** Applies o_proj to the attention output [T, heads * headDim]. */
  output(out: Tensor, ctx: Context): Tensor {
    return this.o_proj.forward(out, ctx)
  }

  /** Appends x's keys and values to the cache and attends to all of it. */
  forwardCached(x: Tensor, ctx: Context, cache: LayerCache, at: CachePosition): Tensor {
    const { places, begin, end } = at
    const inPlace = typeof places === 'number'
    const newKeys = inPlace ? ctx.scope.add(cache.k.slice(places, places + x.rows)) : undefined
    const { q, k, v } = this.project(x, ctx, newKeys)
    const normed = this.norm(q, k, ctx, newKeys)
    if (inPlace) copy(v, ctx.scope.add(cache.v.slice(places, places + x.rows)))
    else {
      scatterRows(normed?.k ?? k, places, cache.k)
      scatterRows(v, places, cache.v)
    }
    const keys = ctx.scope.add(cache.k.slice(begin, end))
    const values = ctx.scope.add(cache.v.slice(begin, end))
    const { out } = this.attendTo({ q: normed?.q ?? q, k: keys, v: values }, ctx, at.cuKeys)
    return this.output(out, ctx)
  }

  /** Returns dx, or undefined when no layer below needs it. The caller frees the saved tensors with ctx's scope. */
  backward(
    dy: Tensor,
    x: Tensor,
    saved: AttentionSaved,
    ctx: Context,
    skipInput: boolean,
  ): Tensor | undefined {
    const { q, k, v, out, lse } = saved
    const { heads, kvHeads, window, softcap = 0 } = this.shape
    const dout = this.o_proj.backward(dy, out, ctx)!
    const normed = this.norm(q, k, ctx)
    const dq = ctx.scope.empty(q.shape, q.dtype)
    const dk = ctx.scope.empty(k.shape, k.dtype)
    const dv = ctx.scope.empty(v.shape, v.dtype)
    addon().attention_backward(
      dout.handle,
      (normed?.q ?? q).handle,
      (normed?.k ?? k).handle,
      v.handle,
      out.handle,
      lse.handle,
      ctx.cuSeqlens.handle,
      dq.handle,
      dk.handle,
      dv.handle,
      heads,
      kvHeads,
      this.scale,
      window,
      softcap,
      ctx.maxLength,
      ctx.deterministic ?? false,
    )
    ctx.scope.free(dout)
    this.rotary?.rotateQueries(dq, ctx, true)
    this.rotary?.rotate(dk, ctx, true)
    if (normed) {
      normHeadsBackward(this.q_norm!, dq, q, normed.rstdQ)
      normHeadsBackward(this.k_norm!, dk, k, normed.rstdK)
      for (const t of Object.values(normed)) ctx.scope.free(t)
    }
    const dys = joinParts(this.inputs, [dq, dk, dv], ctx)
    if (dys.length === 1) for (const t of [dq, dk, dv]) ctx.scope.free(t)
    return projectBackward(this.inputs, dys, x, saved.lowRank, ctx, skipInput)
  }

  /** The layers that read this module's input. */
  private get inputs(): LinearLayer[] {
    return this.qkv_proj ? [this.qkv_proj] : [this.q_proj!, this.k_proj!, this.v_proj!]
  }

  /**
   * q, k and v; q and k are rotated, k into `keys` if given. With norms, q and k stay as projected (see
   * `norm`).
   */
  project(x: Tensor, ctx: Context, keys?: Tensor): HeadInputs & { lowRank: LowRank } {
    const { heads, kvHeads, headDim } = this.shape
    const widths = [heads, kvHeads, kvHeads].map((n) => n * headDim)
    const { ys, lowRank } = projectParts(this.inputs, widths, x, ctx)
    const [q, k, v] = ys as [Tensor, Tensor, Tensor]
    if (this.q_norm) return { q, k, v, lowRank }
    this.rotary?.rotateQueries(q, ctx)
    this.rotateKeys(k, ctx, keys)
    return { q, k: keys ?? k, v, lowRank }
  }

  /** Rotates k in place, or into the cache. */
  private rotateKeys(k: Tensor, ctx: Context, keys: Tensor | undefined): void {
    if (this.rotary) this.rotary.rotate(k, ctx, false, keys)
    else if (keys) copy(k, keys)
  }

  /** q and k, normalized and rotated, k into `keys` if given; undefined without norms. Backward recomputes them. */
  private norm(
    q: Tensor,
    k: Tensor,
    ctx: Context,
    keys?: Tensor,
  ): { q: Tensor; k: Tensor; rstdQ: Tensor; rstdK: Tensor } | undefined {
    if (!this.q_norm || !this.k_norm) return undefined
    const queries = normHeads(this.q_norm, q, ctx)
    const normedKeys = normHeads(this.k_norm, k, ctx)
    this.rotary?.rotateQueries(queries.y, ctx)
    this.rotateKeys(normedKeys.y, ctx, keys)
    return { q: queries.y, k: normedKeys.y, rstdQ: queries.rstd, rstdK: normedKeys.rstd }
  }

  /** The attention output for the result of `project`. */
  attend({ q, k, v }: HeadInputs, ctx: Context): { out: Tensor; lse: Tensor } {
    const normed = this.norm(q, k, ctx)
    const result = this.attendTo({ q, k, v, ...normed }, ctx, ctx.cuSeqlens)
    const { shape, scale } = this
    ctx.observeAttention?.({ q: normed?.q ?? q, k: normed?.k ?? k, lse: result.lse, shape, scale })
    if (normed) for (const t of Object.values(normed)) ctx.scope.free(t)
    return result
  }

  private attendTo({ q, k, v }: HeadInputs, ctx: Context, cuKeys: Tensor): { out: Tensor; lse: Tensor } {
    const { heads, kvHeads, window, softcap = 0 } = this.shape
    const out = ctx.scope.empty(q.shape, q.dtype)
    const lse = ctx.scope.empty([heads, q.rows], 'float32')
    addon().attention_forward(
      q.handle,
      k.handle,
      v.handle,
      ctx.cuSeqlens.handle,
      cuKeys.handle,
      out.handle,
      lse.handle,
      heads,
      kvHeads,
      this.scale,
      window,
      softcap,
      ctx.maxLength,
    )
    return { out, lse }
  }
}
