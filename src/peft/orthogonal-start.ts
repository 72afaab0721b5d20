import { matmul } from '../tensor/ops'
import type { Generator } from '../tensor/random'
import { Tensor } from '../tensor/tensor'
import { orthonormal } from './small-svd'

/** Deviation of A and B. */
const DEVIATION = 0.1

/**
 * Overwrites A [r, in] and B [out, r] as PEFT's 'orthogonal' start does: A = Q1^T Z1 / 10 and B = Z2 Q2 / 10, Z
 * normal, Q1 and Q2 [r / 2, r] the two halves of an orthogonal matrix. Both have values and B A is zero.
 * @throws TypeError when r is odd.
 */
export function orthogonalStart(a: Tensor, b: Tensor, random: Generator, uniform: () => number): void {
  const { rows: r, cols: inFeatures, device } = a
  if (r % 2 !== 0)
    throw new TypeError(`[LoraConfig] init_lora_weights: 'orthogonal' needs an even rank, got ${r}`)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
  const { q } = orthonormal(Array.from({ length: r }, () => Float64Array.from({ length: r }, normal)))
  using scope = device.scope()
  const half = (first: 0 | 1): Tensor => {
    const columns = q.filter((_, i) => i % 2 === first)
    const values = Float32Array.from(columns.flatMap((column) => [...column]))
    return scope.add(Tensor.from(values, { device, shape: [r / 2, r] }))
  }
  const noise = (shape: [number, number]): Tensor => {
    const z = scope.empty(shape, 'float32')
    random.normal(z, 0, DEVIATION)
    return z
  }
  matmul(half(0), noise([r / 2, inFeatures]), a, { transposeA: true })
  matmul(noise([b.rows, r / 2]), half(1), b)
}
