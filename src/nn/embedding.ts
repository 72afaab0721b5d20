import { roundTo } from '../tensor/convert'
import type { FloatDType } from '../tensor/dtype'
import { addRows, copy, gatherRows, scaled } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { Parameter } from './parameter'
import type { TrainedRows } from './trained-rows'

/** Factor of the rows: `scale`, 1 by default. `roundsScale`: it is rounded to the table's dtype first. */
export interface EmbeddingTraits {
  scale?: number | undefined
  roundsScale?: boolean | undefined
}

/** y[t] = scale * weight[ids[t]], weight [vocab, hidden]. Frozen unless `trainedWeight` or `trainedRows` is set. */
export class Embedding {
  readonly scale: number
  /** Set when the whole table trains; its data is `weight` itself. */
  trainedWeight: Parameter | undefined
  trainedRows: TrainedRows | undefined
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

  get isTrained(): boolean {
    return this.trainedWeight !== undefined || this.trainedRows !== undefined
  }

  /** ids int32 [T] -> [T, hidden] in the weight's dtype. */
  forward(ids: Tensor, ctx: Context): Tensor {
    this.trainedRows?.write(ctx.scope)
    const y = ctx.scope.empty([ids.numel, this.weight.cols], this.weight.dtype)
    gatherRows(this.weight, ids, y)
    const out = scaled(y, this.scale, ctx.scope)
    if (out !== y) ctx.scope.free(y)
    return out
  }

  /** Accumulates the gradient of what trains from dy [T, hidden]. */
  backward(dy: Tensor, ids: Tensor, ctx: Context): void {
    const drows = scaled(dy, this.scale, ctx.scope)
    if (this.trainedWeight) addRows(drows, ids, this.trainedWeight.gradient())
    this.trainedRows?.addGathered(drows, ids, ctx)
    if (drows !== dy) ctx.scope.free(drows)
  }

  parameters(): Parameter[] {
    return [this.trainedWeight, this.trainedRows?.rows].filter((p) => p !== undefined)
  }

  /**
   * Moves the table to page-locked host memory or back, and frees the old one. From host memory, a pass reads T
   * rows over the bus. A table that trains stays where it is.
   */
  place(where: 'host' | 'device'): void {
    if (this.isTrained || this.inHostMemory === (where === 'host')) return
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
