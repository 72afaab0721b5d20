import type { Device } from '../tensor/device'
import type { DType } from '../tensor/dtype'
import { copy, fill } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import { Parameter, type GradientHome } from './parameter'

/**
 * Parameters of one width, stacked in memory [sum of rows, cols], so that one product can compute all of them.
 * The data and gradient of each part are rows of the stack's. Memory is freed when all parts are disposed of.
 */
export class ParameterStack implements GradientHome {
  readonly parts: readonly Parameter[]
  /** [sum of rows, cols]; in memory as long as the parts. */
  readonly data: Tensor
  private grad: Tensor | undefined

  constructor(
    device: Device,
    dtype: DType,
    readonly cols: number,
    parts: readonly { name: string; rows: number }[],
  ) {
    const total = parts.reduce((n, part) => n + part.rows, 0)
    using whole = device.empty([total, cols], dtype)
    this.data = whole.view([total, cols])
    let row = 0
    this.parts = parts.map(({ name, rows }) => {
      const begin = row
      row += rows
      return new Parameter(name, whole.slice(begin, row), this)
    })
  }

  /** The gradient, float32 [sum of rows, cols], to accumulate into. */
  gradient(): Tensor {
    if (this.parts.some((part) => !part.grad)) this.makeGradients()
    return this.grad!
  }

  /** Makes the gradients of all parts; existing ones keep their values. */
  makeGradients(): void {
    const whole = this.data.device.empty(this.data.shape, 'float32')
    fill(whole, 0)
    let row = 0
    for (const part of this.parts) {
      const rows = whole.slice(row, row + part.data.rows)
      row += part.data.rows
      if (part.grad) copy(part.grad, rows)
      part.grad?.dispose()
      part.grad = rows
    }
    this.grad?.dispose()
    this.grad = whole
  }

  /** Accumulates into `whole` from now on, float32 of the shape of `data`. It becomes the stack's. */
  adoptGradient(whole: Tensor): void {
    this.grad?.dispose()
    this.grad = whole
    let row = 0
    for (const part of this.parts) {
      part.adoptGradient(whole.slice(row, row + part.data.rows))
      row += part.data.rows
    }
  }

  released(): void {
    if (this.parts.every((part) => !part.grad)) {
      this.grad?.dispose()
      this.grad = undefined
    }
    if (this.parts.every((part) => part.data.isDisposed)) this.data.dispose()
  }
}
