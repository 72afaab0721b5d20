import type { FloatDType } from '../tensor/dtype'
import { addRows, copy, gatherRows, matmul, scatterRows } from '../tensor/ops'
import type { Scope } from '../tensor/scope'
import { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { Parameter } from './parameter'

/**
 * Some rows of a table [vocab, hidden] that train while the others are frozen (PEFT's trainable tokens). Their values live apart and are
 * written into the table before each use of it, rounded to its dtype.
 */
export class TrainedRows {
  /** int32 [n] */
  private readonly ids: Tensor
  /** int32 [vocab, 1]: which of the rows an id is, -1 for the others. */
  private readonly places: Tensor
  /** [n, hidden] in the table's dtype: what the rows were. */
  private readonly originals: Tensor

  constructor(
    /** The rows' numbers, distinct. */
    readonly indices: readonly number[],
    /** float [n, hidden] */
    readonly rows: Parameter,
    private readonly table: Tensor,
  ) {
    const { device } = table
    const places = new Int32Array(table.rows).fill(-1)
    indices.forEach((id, i) => (places[id] = i))
    this.ids = Tensor.from(Int32Array.from(indices), { device })
    this.places = Tensor.from(places, { device, shape: [table.rows, 1] })
    this.originals = device.empty(rows.data.shape, table.dtype)
    this.capture()
    copy(this.originals, rows.data)
  }

  /** Takes what the table holds as the values from before training. */
  capture(): void {
    gatherRows(this.table, this.ids, this.originals)
  }

  /** Puts the rows' present values into the table. */
  write(scope: Scope): void {
    const { data } = this.rows
    const same = data.dtype === this.table.dtype
    const values = same ? data : scope.empty(data.shape, this.table.dtype)
    if (!same) copy(data, values)
    scatterRows(values, this.ids, this.table)
    if (!same) scope.free(values)
  }

  /** Puts the values from before training back into the table. */
  restore(): void {
    scatterRows(this.originals, this.ids, this.table)
  }

  /** Accumulates the gradient from that of looked-up rows: dy [T, hidden] of ids int32 [T]. */
  addGathered(dy: Tensor, ids: Tensor, ctx: Context): void {
    const places = ctx.scope.empty([ids.numel, 1], 'int32')
    gatherRows(this.places, ids, places)
    addRows(dy, ctx.scope.add(places.view([ids.numel])), this.rows.gradient())
    ctx.scope.free(places)
  }

  /** Accumulates the gradient of a product with the table: of logits dy [T, vocab] of x [T, hidden], the rows' columns alone count. */
  addProduct(dy: Tensor, x: Tensor, operand: FloatDType): void {
    const [T, vocab, n] = [dy.rows, dy.cols, this.indices.length]
    using scope = dy.device.scope()
    const at = Int32Array.from({ length: T * n }, (_, i) => Math.floor(i / n) * vocab + this.indices[i % n]!)
    const columns = scope.empty([T * n, 1], dy.dtype)
    gatherRows(scope.add(dy.view([T * vocab, 1])), scope.add(Tensor.from(at, { device: dy.device })), columns)
    const own = scope.add(columns.view([T, n]))
    matmul(own, x, this.rows.gradient(), { transposeA: true, beta: 1, operand })
  }

  dispose(): void {
    for (const tensor of [this.ids, this.places, this.originals]) tensor.dispose()
    this.rows.dispose()
  }
}
