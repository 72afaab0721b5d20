import { roundTo } from '../tensor/convert'
import type { FloatDType } from '../tensor/dtype'
import { copy, gatherRows, scaled } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'

/** Factor of the rows: `scale`, 1 by default. `roundsScale`: it is rounded to the table's dtype first. */
export interface EmbeddingTraits {
  scale?: number | undefined
  roundsScale?: boolean | undefined
}

/** y[t] = scale * weight[ids[t]], weight [vocab, hidden], frozen. */
export class Embedding {
  readonly scale: number
  private inHostMemory = false

  constructor(
    readonly name: string,
    private table: Tensor,
    { scale = 1, roundsScale = false }: EmbeddingTraits = {},
  ) {
    this.scale = roundsScale ? roundTo(scale, table.dtype as FloatDType) : scale
  }

  get weight(): Tensor {
    return this.table
  }

  /** ids int32 [T] -> [T, hidden] in the weight's dtype. */
  forward(ids: Tensor, ctx: Context): Tensor {
    const y = ctx.scope.empty([ids.numel, this.weight.cols], this.weight.dtype)
    gatherRows(this.weight, ids, y)
    const out = scaled(y, this.scale, ctx.scope)
    if (out !== y) ctx.scope.free(y)
    return out
  }

  /**
   * Moves the table to page-locked host memory or back, and frees the old one. From host memory, a pass reads T
   * rows over the bus.
   */
  place(where: 'host' | 'device'): void {
    if (this.inHostMemory === (where === 'host')) return
    const { device, shape, dtype } = this.table
    const table = where === 'host' ? device.emptyPinned(shape, dtype) : device.empty(shape, dtype)
    copy(this.table, table)
    this.table.dispose()
    this.table = table
    this.inHostMemory = !this.inHostMemory
  }

  dispose(): void {
    this.weight.dispose()
  }
}
