import { addon } from '../native/addon'
import type { Device } from '../tensor/device'
import type { DType } from '../tensor/dtype'
import { gatherRows } from '../tensor/ops'
import { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import { attentionFactor, inverseFrequencies, pastOriginal, type RopeParameters } from './rope-frequencies'

/**
 * Rotates the heads of q or k by angles position * inv_freq. If there are fewer frequencies, only the first
 * numbers of each head are rotated.
 */
export class RotaryEmbedding {
  private table: Tensor
  private factors: Tensor | undefined
  /** The `reach` that `table` was made for. */
  private reach: number
  /** Factor of the cosines and sines. */
  private readonly scaling: number

  constructor(
    readonly headDim: number,
    readonly rope: RopeParameters,
    private readonly device: Device,
  ) {
    this.reach = pastOriginal(0, rope)
    this.table = this.tableFor(this.reach)
    this.scaling = attentionFactor(rope)
  }

  /** x [T, heads * headDim] into `out`, by default in place; `inverse` is the backward. */
  rotate(x: Tensor, ctx: Pick<Context, 'positions' | 'reach'>, inverse = false, out: Tensor = x): void {
    const table = this.frequencies(ctx.reach).handle
    addon().rope(x.handle, ctx.positions.handle, table, out.handle, this.headDim, this.scaling, inverse)
  }

  /** Like `rotate`, for queries, which some models also scale by position. */
  rotateQueries(q: Tensor, ctx: Pick<Context, 'positions' | 'reach' | 'scope'>, inverse = false): void {
    this.rotate(q, ctx, inverse)
    const { llama_4_scaling_beta: beta, original_max_position_embeddings: original = 0 } = this.rope
    if (beta === undefined || ctx.reach <= original) return
    const factors = ctx.scope.empty([q.rows, 1], q.dtype)
    gatherRows(this.queryFactors(ctx.reach, beta, original, q.dtype), ctx.positions, factors)
    addon().scale_rows(q.handle, factors.handle, q.handle, false)
    ctx.scope.free(factors)
  }

  dispose(): void {
    this.factors?.dispose()
    this.table.dispose()
  }

  /** Factors by position, [reach, 1]. The last table is kept while it is long enough. */
  private queryFactors(reach: number, beta: number, original: number, dtype: DType): Tensor {
    if (this.factors && this.factors.rows >= reach && this.factors.dtype === dtype) return this.factors
    const values = Float32Array.from(
      { length: reach },
      (_, p) => 1 + beta * Math.log1p(Math.floor(p / original)),
    )
    // Make the new one before freeing the old: while operations are recorded it cannot be made, and the old one
    // must stay.
    const factors = Tensor.from(values, { shape: [reach, 1], dtype, device: this.device })
    this.factors?.dispose()
    this.factors = factors
    return factors
  }

  /** The table for a pass whose positions are below `reach`; it replaces the last one if that does not fit. */
  private frequencies(reach: number): Tensor {
    const wanted = pastOriginal(reach, this.rope)
    if (wanted !== this.reach) {
      const table = this.tableFor(wanted)
      this.table.dispose()
      this.table = table
      this.reach = wanted
    }
    return this.table
  }

  private tableFor(reach: number): Tensor {
    return Tensor.from(inverseFrequencies(this.headDim, this.rope, reach), { device: this.device })
  }
}
