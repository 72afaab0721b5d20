import type { Parameter } from '../nn/parameter'
import { ParameterStack } from '../nn/parameter-stack'
import { fill } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

/** Kernels read 16 bytes at a time: each part begins at a multiple of so many numbers. */
const ALIGNMENT = 64

interface Part {
  shape: readonly number[]
  offset: number
  adopt: (gradient: Tensor) => void
}

/**
 * All gradients side by side in one float32 tensor, zero at first, so that one collective sums them over the ranks. The parameters
 * accumulate into it until their `zeroGrad`.
 */
export class FlatGradients implements Disposable {
  /** float32 [n] */
  readonly all: Tensor

  constructor(parameters: readonly Parameter[]) {
    const parts = layout(parameters)
    const last = parts.at(-1)
    const total = last ? last.offset + padded(last.shape) : 0
    this.all = parameters[0]!.data.device.empty([total], 'float32')
    fill(this.all, 0)
    for (const { shape, offset, adopt } of parts) adopt(this.all.view(shape, offset))
  }

  /** The memory lives as long as the parameters' gradients do. */
  [Symbol.dispose](): void {
    this.all.dispose()
  }
}

const padded = (shape: readonly number[]): number =>
  Math.ceil(shape.reduce((n, d) => n * d, 1) / ALIGNMENT) * ALIGNMENT

/** A stack of parameters is one part: products write the gradients of all of it at once. */
function layout(parameters: readonly Parameter[]): Part[] {
  const stacks = new Set<ParameterStack>()
  const parts: Part[] = []
  let offset = 0
  const add = (shape: readonly number[], adopt: Part['adopt']): void => {
    parts.push({ shape, offset, adopt })
    offset += padded(shape)
  }
  for (const parameter of parameters) {
    const { home } = parameter
    if (!(home instanceof ParameterStack)) add(parameter.data.shape, (view) => parameter.adoptGradient(view))
    else if (!stacks.has(home)) {
      stacks.add(home)
      add(home.data.shape, (view) => home.adoptGradient(view))
    }
  }
  return parts
}
