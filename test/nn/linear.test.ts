import { describe, expect, it } from 'vitest'
import { Linear } from '../../src/nn/linear'
import { Parameter } from '../../src/nn/parameter'
import { Tensor } from '../../src/tensor/tensor'
import { context, distance, product, random, tensor, transposed } from './support'

const [T, inFeatures, outFeatures] = [5, 7, 3]
const [x, w, dy] = [random(T, inFeatures, 1), random(outFeatures, inFeatures, 2), random(T, outFeatures, 3)]
const bias = [0.5, -1, 2]
const sum = (rows: number[][]): number[] => rows[0]!.map((_, j) => rows.reduce((s, row) => s + row[j]!, 0))

function layer(): Linear {
  return new Linear('layer', tensor(w), Tensor.from(bias))
}

describe('Linear', () => {
  it('y = x W^T + bias; dx = dy W', async () => {
    const linear = layer()
    expect([linear.inFeatures, linear.outFeatures, linear.parameters()]).toEqual([7, 3, []])
    const ctx = context(T)
    const y = product(x, w, true).map((row) => row.map((v, j) => v + bias[j]!))
    expect(await distance(linear.forward(tensor(x), ctx), y)).toBeLessThanOrEqual(1e-6)
    const dx = linear.backward(tensor(dy), tensor(x), ctx)!
    expect(await distance(dx, product(dy, w))).toBeLessThanOrEqual(1e-6)
  })

  it('adds dx to what it is given, or leaves it out', async () => {
    const linear = layer()
    const ctx = context(T)
    const into = tensor(random(T, inFeatures, 4))
    expect(linear.backward(tensor(dy), tensor(x), ctx, { into })).toBe(into)
    const expected = product(dy, w).map((row, t) => row.map((v, j) => v + random(T, inFeatures, 4)[t]![j]!))
    expect(await distance(into, expected)).toBeLessThanOrEqual(1e-6)
    expect(linear.backward(tensor(dy), tensor(x), ctx, { skip: true })).toBeUndefined()
  })

  it('gradients of a trained weight and bias accumulate, also where dx is left out', async () => {
    const linear = layer()
    linear.trainedWeight = new Parameter('w', linear.weight)
    linear.trainedBias = new Parameter('b', linear.bias!)
    expect(linear.parameters().map((p) => p.name)).toEqual(['w', 'b'])
    const ctx = context(T)
    linear.backward(tensor(dy), tensor(x), ctx)
    linear.backward(tensor(dy), tensor(x), ctx, { skip: true })
    const twice = (rows: number[][]): number[][] => rows.map((row) => row.map((v) => 2 * v))
    expect(await distance(linear.trainedWeight.grad!, twice(product(transposed(dy), x)))).toBeLessThanOrEqual(
      2e-6,
    )
    expect(await distance(linear.trainedBias.grad!, twice([sum(dy)]))).toBeLessThanOrEqual(2e-6)
  })

  it('autocast rounds operands and result', async () => {
    const y = layer().forward(tensor(x), context(T, { autocast: 'bfloat16' }))
    expect(y.dtype).toBe('bfloat16')
    const exact = product(x, w, true).map((row) => row.map((v, j) => v + bias[j]!))
    const off = await distance(y, exact)
    expect(off).toBeLessThanOrEqual(0.05)
    expect(off).toBeGreaterThan(1e-4)
  })
})

describe('Parameter', () => {
  it('its gradient is zero at first, stays until zeroGrad, and is float32', async () => {
    const p = new Parameter('p', Tensor.from([1, 2], { dtype: 'bfloat16' }))
    expect([p.numel, p.grad]).toEqual([2, undefined])
    const gradient = p.gradient()
    expect(gradient.dtype).toBe('float32')
    expect(Array.from(await gradient.data())).toEqual([0, 0])
    expect(p.gradient()).toBe(gradient)
    p.zeroGrad()
    expect([p.grad, gradient.isDisposed, p.data.isDisposed]).toEqual([undefined, true, false])
    p.dispose()
    expect(p.data.isDisposed).toBe(true)
  })
})
