import { describe, expect, it } from 'vitest'
import { RotaryEmbedding } from '../../src/nn/rope'
import { inverseFrequencies } from '../../src/nn/rope-frequencies'
import { Device } from '../../src/tensor/device'
import { Tensor } from '../../src/tensor/tensor'

const plain = { rope_type: 'default', rope_theta: 10000 }
const llama3 = {
  rope_type: 'llama3',
  rope_theta: 10000,
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
}

describe('inverseFrequencies', () => {
  it('theta^(-2i / head_dim)', () => {
    const found = inverseFrequencies(8, plain)
    ;[1, 0.1, 0.01, 0.001].forEach((f, i) => expect(Math.abs(found[i]! / f - 1)).toBeLessThanOrEqual(1e-6))
    expect(found.length).toBe(4)
  })

  it('linear divides all by the factor', () => {
    expect(inverseFrequencies(8, { ...plain, rope_type: 'linear', factor: 4 })).toEqual(
      inverseFrequencies(8, plain).map((f) => f / 4),
    )
  })

  it('llama3 keeps short wavelengths, divides long ones, and goes over smoothly', () => {
    const base = inverseFrequencies(16, plain)
    const ratios = Array.from(inverseFrequencies(16, llama3), (f, i) => base[i]! / f)
    expect(ratios[0]).toBe(1)
    for (const long of ratios.slice(3)) expect(Math.abs(long - 8)).toBeLessThanOrEqual(1e-5)
    expect(ratios[1]).toBeGreaterThan(1)
    expect(ratios[2]).toBeGreaterThan(ratios[1]!)
    expect(ratios[2]).toBeLessThan(8)
  })

  it.each([
    [
      { ...plain, rope_type: 'su' },
      "rope_type 'su' is not supported; supported: default, linear, llama3, yarn, dynamic, longrope",
    ],
    [{ ...plain, rope_type: 'linear', factor: -2 }, "needs a positive number 'factor' in the config, got -2"],
    [{ ...llama3, factor: 0 }, "needs a positive number 'factor' in the config, got 0"],
    [{ ...llama3, low_freq_factor: 4 }, 'high_freq_factor 4 must be above low_freq_factor 4'],
    [
      { ...plain, rope_type: 'linear' },
      "rope_type 'linear' needs a positive number 'factor' in the config, got undefined",
    ],
    [
      { ...llama3, low_freq_factor: undefined as never },
      "rope_type 'llama3' needs a positive number 'low_freq_factor' in the config, got undefined",
    ],
  ])('%j is refused', (rope, message) => {
    expect(() => inverseFrequencies(8, rope)).toThrow(message)
  })
})

it('RotaryEmbedding turns the pairs (i, i + head_dim / 2) of each head, and back', async () => {
  const rotary = new RotaryEmbedding(4, plain, Device.get('cpu'))
  const start = [1, 2, 3, 4, 5, 6, 7, 8, -1, 0.5, 2, 0, 3, 1, -2, 6]
  const x = Tensor.from(start, { shape: [2, 8] })
  const positions = Tensor.from(Int32Array.of(0, 3))
  rotary.rotate(x, { positions, reach: 4 })
  const found = await x.data()
  start.forEach((_, k) => {
    const [t, j] = [Math.floor(k / 8), k % 4]
    const angle = [0, 3][t]! * [1, 0.01][j % 2]!
    const [first, second] = j < 2 ? [start[k]!, start[k + 2]!] : [start[k - 2]!, start[k]!]
    const turned =
      j < 2
        ? first * Math.cos(angle) - second * Math.sin(angle)
        : first * Math.sin(angle) + second * Math.cos(angle)
    expect(Math.abs(found[k]! - turned)).toBeLessThanOrEqual(1e-5)
  })
  rotary.rotate(x, { positions, reach: 4 }, true)
  const back = await x.data()
  start.forEach((v, k) => expect(Math.abs(back[k]! - v)).toBeLessThanOrEqual(1e-5))
  rotary.dispose()
})
