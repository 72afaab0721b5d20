import { Parameter } from '../../src/nn/parameter'
import type { OptimizerSettings } from '../../src/optim/create'
import { copy } from '../../src/tensor/ops'
import { Tensor } from '../../src/tensor/tensor'

/** TrainingArguments' defaults. */
export const settings: OptimizerSettings = {
  optim: 'adamw_torch',
  optim_args: null,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  weight_decay: 0,
}

export function parameter(name: string, n: number): Parameter {
  return new Parameter(name, Tensor.from(Float32Array.from({ length: n }, (_, i) => Math.sin(i + 1))))
}
export function setGradient(p: Parameter, step: number): void {
  using source = Tensor.from(
    Float32Array.from({ length: p.numel }, (_, i) => step ** 2 * (Math.cos(i * step) + 0.1)),
  )
  copy(source, p.gradient())
}
