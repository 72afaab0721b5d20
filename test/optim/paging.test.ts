import { expect, it, vi } from 'vitest'
import { addon } from '../../src/native/addon'
import type { Parameter } from '../../src/nn/parameter'
import { createOptimizer } from '../../src/optim/create'
import type { OptimizerName } from '../../src/optim/names'
import { liveBytes } from '../models/tiny'
import { parameter, setGradient, settings } from './support'

/** 40 MB of AdamW's state: one to a page. */
const big = 5e6

/** Three steps of several tensors, the last of which has a gradient in the second only. */
async function trainSome(optim: OptimizerName, sizes: readonly number[]): Promise<Uint8Array[]> {
  const parameters = sizes.map((n, i) => parameter(`${i}.weight`, n))
  const optimizer = createOptimizer(parameters, { ...settings, optim })
  for (const step of [1, 2, 3]) {
    for (const p of step === 2 ? parameters : parameters.slice(0, -1)) setGradient(p, step)
    optimizer.step(0.01)
    optimizer.zeroGrad()
  }
  const saved = [...parameters.map((p) => p.data), ...Object.values(optimizer.stateTensors())]
  const bytes = await Promise.all(saved.map((t) => t.bytes()))
  optimizer.dispose()
  for (const p of parameters) p.dispose()
  return bytes
}

it.each([
  ['paged_adamw_32bit', 'adamw_torch'],
  ['paged_adamw_8bit', 'adamw_8bit'],
  ['paged_lion_8bit', 'lion_8bit'],
] as const)('%s: weights and state have the bits of %s', async (paged, plain) => {
  const before = await liveBytes()
  const sizes = [100_001, 7, 131_072, 99_999, 200_000]
  const [some, expected] = [await trainSome(paged, sizes), await trainSome(plain, sizes)]
  expect(some.map((bytes, i) => Buffer.compare(bytes, expected[i]!))).toEqual(expected.map(() => 0))
  expect(await liveBytes()).toBe(before)
})

it('pages travel as one copy each way, and only those that are needed', () => {
  const parameters = [parameter('a.weight', big), parameter('b.weight', big)]
  const small = [parameter('c.weight', 100_000), parameter('d.weight', 100_000)]
  const optimizer = createOptimizer([...parameters, ...small], { ...settings, optim: 'paged_adamw_32bit' })
  const copied = (some: Parameter[]): number => {
    const copies = vi.spyOn(addon(), 'start_copy')
    for (const p of some) setGradient(p, 1)
    optimizer.step(0.01)
    optimizer.zeroGrad()
    const { length } = copies.mock.calls
    copies.mockRestore()
    return length
  }
  expect(copied([...parameters, ...small])).toBe(2 * 2)
  expect(copied(small)).toBe(2)
  expect(copied([parameters[0]!])).toBe(2)
  optimizer.dispose()
  for (const p of [...parameters, ...small]) p.dispose()
})
