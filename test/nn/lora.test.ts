import { describe, expect, it } from 'vitest'
import { Linear } from '../../src/nn/linear'
import { LoraLinear } from '../../src/nn/lora'
import { Parameter } from '../../src/nn/parameter'
import { Tensor } from '../../src/tensor/tensor'
import { context, distance, product, random, tensor, transposed, type Matrix } from './support'

const [T, inFeatures, outFeatures, r] = [6, 40, 5, 3]
const scaling = 0.5
const [x, w, dy] = [random(T, inFeatures, 1), random(outFeatures, inFeatures, 2), random(T, outFeatures, 3)]
const [a, b] = [random(r, inFeatures, 4), random(outFeatures, r, 5)]
const dropout = { seed: 42, microstep: 7 }
const tolerance = 1e-5

function layer(p = 0, stream = 0): LoraLinear {
  const base = new Linear('layer', tensor(w))
  return new LoraLinear(base, new Parameter('A', tensor(a)), new Parameter('B', tensor(b)), {
    scaling,
    dropout: p,
    stream,
  })
}

const plus = (m: Matrix, n: Matrix, factor: number = 1): Matrix =>
  m.map((row, i) => row.map((v, j) => v + factor * n[i]![j]!))
const scaled = (m: Matrix, factor: number): Matrix => m.map((row) => row.map((v) => factor * v))
const times = (m: Matrix, n: Matrix): Matrix => m.map((row, i) => row.map((v, j) => v * n[i]![j]!))

/** The mask of a layer, seen through an adapter whose A is the identity and whose base is zero: 0 or 1 / (1 - p). */
async function maskOf(p: number, stream: number, state = dropout): Promise<Matrix> {
  const identity = Array.from({ length: inFeatures }, (_, i) =>
    Array.from({ length: inFeatures }, (_, j) => Number(i === j)),
  )
  const zero = new Linear(
    'zero',
    Tensor.from(new Float32Array(inFeatures ** 2), { shape: [inFeatures, inFeatures] }),
  )
  const settings = { scaling: 1, dropout: p, stream }
  const seen = new LoraLinear(
    zero,
    new Parameter('A', tensor(identity)),
    new Parameter('B', tensor(identity)),
    settings,
  )
  const ones = Array.from({ length: T }, () => Array<number>(inFeatures).fill(1))
  const y = await seen.forward(tensor(ones), context(T, { dropout: state })).data()
  return ones.map((row, t) => row.map((_, j) => y[t * inFeatures + j]!))
}

describe('LoraLinear', () => {
  it('y = x W^T + scaling * (x A^T) B^T', async () => {
    const update = product(product(x, a, true), b, true)
    const y = layer().forward(tensor(x), context(T))
    expect(await distance(y, plus(product(x, w, true), update, scaling))).toBeLessThanOrEqual(tolerance)
  })

  it('gradients of A, B and x', async () => {
    const lora = layer()
    const dx = lora.backward(tensor(dy), tensor(x), context(T))!
    const dxa = scaled(product(dy, b), scaling)
    expect(
      await distance(lora.lora_B.grad!, scaled(product(transposed(dy), product(x, a, true)), scaling)),
    ).toBeLessThanOrEqual(tolerance)
    expect(await distance(lora.lora_A.grad!, product(transposed(dxa), x))).toBeLessThanOrEqual(tolerance)
    expect(await distance(dx, plus(product(dy, w), product(dxa, a)))).toBeLessThanOrEqual(tolerance)
  })

  it('dropout hits the input of A alone, forward and backward with one mask', async () => {
    const mask = await maskOf(0.25, 3)
    const dropped = times(x, mask)
    const lora = layer(0.25, 3)
    const ctx = context(T, { dropout })
    const y = lora.forward(tensor(x), ctx)
    const update = product(product(dropped, a, true), b, true)
    expect(await distance(y, plus(product(x, w, true), update, scaling))).toBeLessThanOrEqual(tolerance)
    const dx = lora.backward(tensor(dy), tensor(x), ctx)!
    const dxa = scaled(product(dy, b), scaling)
    expect(
      await distance(lora.lora_B.grad!, scaled(product(transposed(dy), product(dropped, a, true)), scaling)),
    ).toBeLessThanOrEqual(tolerance)
    expect(await distance(lora.lora_A.grad!, product(transposed(dxa), dropped))).toBeLessThanOrEqual(
      tolerance,
    )
    expect(await distance(dx, plus(product(dy, w), times(product(dxa, a), mask)))).toBeLessThanOrEqual(
      tolerance,
    )
  })

  it('the mask drops a share p, scales the rest, and follows seed, microstep and layer', async () => {
    const mask = await maskOf(0.25, 0)
    const values = mask.flat()
    expect(new Set(values.map((v) => v.toFixed(5)))).toEqual(new Set(['0.00000', '1.33333']))
    const share = values.filter((v) => v === 0).length / values.length
    expect(Math.abs(share - 0.25)).toBeLessThanOrEqual(4 * Math.sqrt((0.25 * 0.75) / values.length))
    expect(await maskOf(0.25, 0)).toEqual(mask)
    expect(await maskOf(0.25, 1)).not.toEqual(mask)
    expect(await maskOf(0.25, 0, { ...dropout, seed: 43 })).not.toEqual(mask)
    expect(await maskOf(0.25, 0, { ...dropout, microstep: 8 })).not.toEqual(mask)
  })

  it('without a dropout state nothing is dropped; switched off, the base answers', async () => {
    const whole = await layer(0.9).forward(tensor(x), context(T)).data()
    expect(whole).toEqual(await layer().forward(tensor(x), context(T)).data())
    const lora = layer()
    lora.enabled = false
    expect(await distance(lora.forward(tensor(x), context(T)), product(x, w, true))).toBeLessThanOrEqual(
      tolerance,
    )
  })

  it('gradients accumulate over calls; dx can be added or left out', async () => {
    const lora = layer()
    const ctx = context(T)
    const into = tensor(random(T, inFeatures, 6))
    expect(lora.backward(tensor(dy), tensor(x), ctx, { into })).toBe(into)
    expect(lora.backward(tensor(dy), tensor(x), ctx, { skip: true })).toBeUndefined()
    const dxa = scaled(product(dy, b), scaling)
    expect(await distance(lora.lora_A.grad!, scaled(product(transposed(dxa), x), 2))).toBeLessThanOrEqual(
      2 * tolerance,
    )
    const expected = plus(random(T, inFeatures, 6), plus(product(dy, w), product(dxa, a)))
    expect(await distance(into, expected)).toBeLessThanOrEqual(tolerance)
  })
})
