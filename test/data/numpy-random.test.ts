import { expect, it } from 'vitest'

import { NumpyGenerator } from '../../src/data/numpy-random'

it('gives the numbers of numpy.random.default_rng', () => {
  // numpy 2.4: permutation(10), permutation(1001)[:5], integers(0, 2**63).
  const cases: [number | bigint, number[], number[], bigint][] = [
    [42, [5, 6, 0, 7, 3, 2, 4, 9, 1, 8], [833, 690, 51, 728, 909], 6846674617117144568n],
    [0, [4, 6, 2, 7, 3, 5, 9, 0, 8, 1], [474, 683, 126, 877, 527], 3675314926471793918n],
    [2 ** 40 + 7, [6, 2, 8, 7, 9, 3, 4, 1, 5, 0], [704, 919, 196, 952, 658], 5317317916926339395n],
    [(1n << 200n) + 5n, [2, 8, 7, 6, 4, 9, 1, 5, 0, 3], [198, 436, 971, 581, 335], 4050283142716624291n],
  ]
  for (const [seed, ten, five, last] of cases) {
    const generator = new NumpyGenerator(seed)
    expect([...generator.permutation(10)]).toEqual(ten)
    expect([...generator.permutation(1001).slice(0, 5)]).toEqual(five)
    expect(generator.next64() >> 1n).toBe(last)
  }
  expect(() => new NumpyGenerator(-1)).toThrow('seed: got -1, needs an integer from 0 on')
  expect(() => new NumpyGenerator(0.5)).toThrow(RangeError)
})
