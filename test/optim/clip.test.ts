import { expect, it } from 'vitest'
import { Parameter } from '../../src/nn/parameter'
import { clipGradNorm } from '../../src/optim/clip'
import { copy } from '../../src/tensor/ops'
import { Tensor } from '../../src/tensor/tensor'

function withGradient(values: number[]): Parameter {
  const p = new Parameter('p', Tensor.from(new Float32Array(values.length)))
  copy(Tensor.from(values), p.gradient())
  return p
}

const gradients = async (parameters: Parameter[]): Promise<number[]> =>
  (await Promise.all(parameters.map(async (p) => Array.from(await p.grad!.data())))).flat()

it('scales all gradients by one factor when their common norm is too long', async () => {
  const parameters = [withGradient([3, 0]), withGradient([0, 4, 12])]
  expect(await clipGradNorm(parameters, 1.3)).toBe(13)
  const found = await gradients(parameters)
  ;[0.3, 0, 0, 0.4, 1.2].forEach((v, i) => expect(Math.abs(found[i]! - v)).toBeLessThanOrEqual(1e-6))
  expect(await clipGradNorm(parameters, 1.3)).toBeCloseTo(1.3, 5)
})

it('leaves shorter ones, and with 0 only measures', async () => {
  const parameters = [withGradient([3, 4])]
  expect(await clipGradNorm(parameters, 6)).toBe(5)
  expect(await clipGradNorm(parameters, 0)).toBe(5)
  expect(await gradients(parameters)).toEqual([3, 4])
})

it('parameters without a gradient are passed over', async () => {
  const idle = new Parameter('idle', Tensor.from([1]))
  expect(await clipGradNorm([idle], 1)).toBe(0)
  expect(await clipGradNorm([idle, withGradient([3, 4])], 0)).toBe(5)
  expect(idle.grad).toBeUndefined()
})

it('gradients that are not finite give a norm that says so', async () => {
  expect(await clipGradNorm([withGradient([NaN, 1])], 1)).toBeNaN()
  expect(await clipGradNorm([withGradient([Infinity, 1])], 1)).toBe(Infinity)
})
