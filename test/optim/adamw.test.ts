import { describe, expect, it } from 'vitest'
import { Parameter } from '../../src/nn/parameter'
import { AdamW, type AdamWOptions } from '../../src/optim/adamw'
import { decays } from '../../src/optim/optimizer'
import type { FloatDType } from '../../src/tensor/dtype'
import { copy } from '../../src/tensor/ops'
import { Tensor } from '../../src/tensor/tensor'
import { liveBytes } from '../models/tiny'

function parameter(name: string, values: number[], dtype: FloatDType = 'float32'): Parameter {
  return new Parameter(name, Tensor.from(values, { dtype }))
}

function setGradient(p: Parameter, values: number[]): void {
  const source = Tensor.from(values)
  copy(source, p.gradient())
  source.dispose()
}

type Settings = Required<Omit<AdamWOptions, 'optim_bits' | 'is_paged'>>

/** Torch's AdamW in float64. */
function reference(start: number[], gradients: number[][], lr: number, o: Settings): number[] {
  const p = [...start]
  const [m, v] = [p.map(() => 0), p.map(() => 0)]
  gradients.forEach((g, t) => {
    p.forEach((_, i) => {
      p[i]! *= 1 - lr * o.weight_decay
      m[i] = o.beta1 * m[i]! + (1 - o.beta1) * g[i]!
      v[i] = o.beta2 * v[i]! + (1 - o.beta2) * g[i]! ** 2
      const [mHat, vHat] = [m[i]! / (1 - o.beta1 ** (t + 1)), v[i]! / (1 - o.beta2 ** (t + 1))]
      p[i]! -= (lr * mHat) / (Math.sqrt(vHat) + o.eps)
    })
  })
  return p
}

const start = [0.5, -1, 2, 0]
const gradients = [
  [0.1, -0.2, 0.3, 0],
  [0.2, 0.1, -3, 1e-3],
  [-1, 0, 0.5, 1e-4],
]

describe('AdamW', () => {
  it.each([
    ['defaults', {}, 'float32', 1e-6],
    ['own settings', { beta1: 0.8, beta2: 0.95, eps: 1e-3, weight_decay: 0.1 }, 'float32', 1e-6],
    ['bfloat16 weights', { weight_decay: 0.1 }, 'bfloat16', 2e-2],
  ] as const)('%s: the formula', async (_, options, dtype, tolerance) => {
    const p = parameter('lora_A.weight', start, dtype)
    const optimizer = new AdamW([p], options)
    for (const g of gradients) {
      setGradient(p, g)
      optimizer.step(0.01)
      optimizer.zeroGrad()
    }
    const all = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0, ...options }
    const found = await p.data.data()
    reference(start, gradients, 0.01, all).forEach((v, i) =>
      expect(Math.abs(v - found[i]!)).toBeLessThanOrEqual(tolerance),
    )
    optimizer.dispose()
    p.dispose()
  })

  it('decays weights, not biases and norms', async () => {
    expect(['x.lora_A.weight', 'lm_head.weight', 'q_proj.lora_magnitude_vector'].map(decays)).toEqual([
      true,
      true,
      true,
    ])
    expect(
      ['q_proj.bias', 'q_proj.base_layer.bias', 'input_layernorm.weight', 'model.norm.weight'].map(decays),
    ).toEqual([false, false, false, false])
    const parameters = [parameter('a.weight', [1]), parameter('a.bias', [1])]
    const optimizer = new AdamW(parameters, { weight_decay: 0.5 })
    for (const p of parameters) setGradient(p, [0])
    optimizer.step(0.1)
    expect(await parameters[0]!.data.item()).toBeCloseTo(0.95, 6)
    expect(await parameters[1]!.data.item()).toBe(1)
  })

  it('a parameter without a gradient stays, and gets no state', async () => {
    // 16 float32 values fill the allocator's unit of 64 bytes.
    const ones = Array<number>(16).fill(1)
    const [a, b] = [parameter('a.weight', ones), parameter('b.weight', ones)]
    const optimizer = new AdamW([a, b], { weight_decay: 0.5 })
    setGradient(a, ones)
    const before = await liveBytes()
    optimizer.step(0.1)
    expect((await liveBytes()) - before).toBe(2 * 64)
    expect(Array.from(await b.data.data())).toEqual(ones)
    expect(Array.from(await a.data.data())).not.toEqual(ones)
    optimizer.dispose()
    expect(await liveBytes()).toBeLessThanOrEqual(before)
    optimizer.zeroGrad()
    expect(a.grad).toBeUndefined()
  })
})
