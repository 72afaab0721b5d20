import { expect, it } from 'vitest'
import { Device } from '../../src/tensor/device'
import { Generator } from '../../src/tensor/random'

const device = Device.get('cpu')

async function draws(generator: Generator, n: number, kind: 'uniform' | 'normal'): Promise<Float32Array> {
  const out = device.empty([n])
  if (kind === 'uniform') generator.uniform(out, -2, 4)
  else generator.normal(out, 3, 0.5)
  const values = await out.data()
  out.dispose()
  return values
}

it('the seed and the order of calls make the numbers', async () => {
  const [a, b] = [new Generator(7), new Generator(7)]
  const first = await draws(a, 101, 'uniform')
  expect(await draws(b, 101, 'uniform')).toEqual(first)
  const second = await draws(a, 101, 'uniform')
  expect(second).not.toEqual(first)
  expect(await draws(b, 101, 'uniform')).toEqual(second)
  expect(await draws(new Generator(8), 101, 'uniform')).not.toEqual(first)
  // A longer tensor begins with the same numbers.
  expect((await draws(new Generator(7), 1000, 'uniform')).slice(0, 101)).toEqual(first)
})

it('seeds beyond 32 bits count whole', async () => {
  const [low, high] = [new Generator(1), new Generator(2 ** 40 + 1)]
  expect(await draws(low, 16, 'normal')).not.toEqual(await draws(high, 16, 'normal'))
})

it('uniform and normal have their means and deviations', async () => {
  const n = 100_000
  const mean = (v: Float32Array): number => v.reduce((a, b) => a + b, 0) / v.length
  const deviation = (v: Float32Array, center: number): number =>
    Math.sqrt(mean(v.map((x) => (x - center) ** 2)))
  const uniform = await draws(new Generator(1), n, 'uniform')
  expect(uniform.every((v) => v >= -2 && v < 4)).toBe(true)
  expect(Math.abs(mean(uniform) - 1)).toBeLessThanOrEqual(4 * (6 / Math.sqrt(12 * n)))
  expect(Math.abs(deviation(uniform, 1) - 6 / Math.sqrt(12))).toBeLessThanOrEqual(0.01)
  const normal = await draws(new Generator(1), n, 'normal')
  expect(Math.abs(mean(normal) - 3)).toBeLessThanOrEqual(4 * (0.5 / Math.sqrt(n)))
  expect(Math.abs(deviation(normal, 3) - 0.5)).toBeLessThanOrEqual(0.005)
})

it.each([1.5, NaN, Infinity, 2 ** 60])('seed %s is refused', (seed) => {
  expect(() => new Generator(seed)).toThrow(`[Generator] seed: expected an integer, got ${seed}`)
})
