import { describe, expect, it } from 'vitest'
import {
  expectAbsolute,
  expectRelative,
  floatDTypes,
  native,
  normals,
  Output,
  rounded,
  tensor,
} from './harness'
import { goldenDecay, goldenLr, goldenRun, goldenTensor, zeros } from './optimizer-goldens'

describe.each(['w', 'b'] as const)('goldens of torch and bitsandbytes, parameter %s, 10 steps', (name) => {
  it('lion', async () => {
    const m = zeros((await goldenTensor(`${name}.init`)).length, 'float32')
    const param = await goldenRun(name, 'float32', (p, g) =>
      native.lion([p], [g], [m.handle], undefined, 0, goldenLr, 0.9, 0.99, goldenDecay),
    )
    expectAbsolute(await param.read(), await goldenTensor(`lion_32bit.${name}.step10`), 1e-6)
    expectAbsolute(await m.read(), await goldenTensor(`lion_32bit.${name}.state10.state1`), 1e-6)
  })

  it.each(['sgd', 'sgd_momentum'])('%s', async (optimizer) => {
    const momentum = optimizer === 'sgd' ? 0 : 0.9
    const buffer = zeros((await goldenTensor(`${name}.init`)).length, 'float32')
    const buffers = momentum > 0 ? [buffer.handle] : []
    const param = await goldenRun(name, 'float32', (p, g, t) =>
      native.sgd([p], [g], buffers, undefined, 0, goldenLr, momentum, 0, false, goldenDecay, t === 1),
    )
    expectAbsolute(await param.read(), await goldenTensor(`${optimizer}.${name}.step10`), 1e-6)
    if (momentum > 0)
      expectRelative(
        await buffer.read(),
        await goldenTensor(`${optimizer}.${name}.state10.momentum_buffer`),
        1e-6,
      )
  })
})

describe.each(floatDTypes)('%s parameters in double, 3 steps, odd size, clipped', (dtype) => {
  const n = 4099
  const tolerance = { float32: 1e-6, bfloat16: 5e-3, float16: 7e-4 }[dtype]
  const clip = 0.5 / (2 + 1e-6)
  const norm = tensor([2], [1])

  it('lion', async () => {
    const p = rounded(normals(n, 1), dtype)
    const [param, moment] = [new Output([n], dtype, p), zeros(n, 'float32')]
    const m = new Float64Array(n)
    for (let t = 1; t <= 3; t++) {
      const g = rounded(normals(n, 1 + t), 'float32')
      native.lion([param.handle], [tensor(g, [n])], [moment.handle], norm, 0.5, 1e-2, 0.8, 0.95, 0.5)
      for (let i = 0; i < n; i++) {
        p[i] = p[i]! * (1 - 5e-3) - 1e-2 * Math.sign(0.8 * m[i]! + 0.2 * clip * g[i]!)
        m[i] = 0.95 * m[i]! + 0.05 * clip * g[i]!
      }
    }
    expectRelative(await param.read(), p, tolerance)
    expectRelative(await moment.read(), m, 1e-6)
  })

  it.each([
    ['dampening', 0.3, false],
    ['nesterov', 0, true],
  ] as const)('sgd with %s', async (_, dampening, nesterov) => {
    const p = rounded(normals(n, 1), dtype)
    const [param, buffer] = [new Output([n], dtype, p), zeros(n, 'float32')]
    const buf = new Float64Array(n)
    for (let t = 1; t <= 3; t++) {
      const g = rounded(normals(n, 1 + t), 'float32')
      const handles = [[param.handle], [tensor(g, [n])], [buffer.handle]] as const
      native.sgd(
        ...(handles.map((h) => [...h]) as [never, never, never]),
        norm,
        0.5,
        0.1,
        0.8,
        dampening,
        nesterov,
        0.2,
        t === 1,
      )
      for (let i = 0; i < n; i++) {
        const d = clip * g[i]! + 0.2 * p[i]!
        buf[i] = t === 1 ? d : 0.8 * buf[i]! + (1 - dampening) * d
        p[i]! -= 0.1 * (nesterov ? d + 0.8 * buf[i]! : buf[i]!)
      }
    }
    expectRelative(await param.read(), p, tolerance)
  })
})

it('a direction of exactly 0 leaves a parameter where it is', async () => {
  const p = new Output([3], 'float32', [1, 2, 3])
  const m = new Output([3], 'float32', [0, 0, 0])
  native.lion([p.handle], [tensor([0, 5, -5], [3])], [m.handle], undefined, 0, 0.25, 0.9, 0.99, 0)
  expect([...(await p.read())]).toEqual([1, 1.75, 3.25])
})
