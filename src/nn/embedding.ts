import { gatherRows } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'

/** y[t] = weight[ids[t]], weight [vocab, hidden], frozen. */
export class Embedding {
  constructor(
    readonly name: string,
    readonly weight: Tensor,
  ) {}

  /** ids int32 [T] -> [T, hidden] in the weight's dtype. */
  forward(ids: Tensor, ctx: Context): Tensor {
    const y = ctx.scope.empty([ids.numel, this.weight.cols], this.weight.dtype)
    gatherRows(this.weight, ids, y)
    return y
  }

  dispose(): void {
    this.weight.dispose()
  }
}
