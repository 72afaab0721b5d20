import { expect, it } from 'vitest'
import { keepProducts, uniformPlan } from '../../src/models/memory-plan'
import { runPass } from '../../src/models/pass'
import { addon, withAddon } from '../../src/native/addon'
import type { NativeAddon } from '../../src/native/contract'
import { liveBytes, randomBatch, tinyModel } from './tiny'

it('a pass that fails anywhere gives its memory back', async () => {
  const model = await tinyModel()
  const layer = { ...keepProducts, x: 'offload', qkv: 'offload', mlp: 'recompute' } as const
  const plan = uniformPlan(layer, model.parts.layers.length)
  const before = await liveBytes()
  const real = addon()
  for (const calls of [1, 2, 3, 4, 5, 6, 7, 8, 12, 17, 30, 45, 60, 70, 80, 90, 120]) {
    let left = calls
    const failing = new Proxy(real, {
      get: (target, name: keyof NativeAddon) => {
        if (name === 'matmul' && --left === 0) throw new Error('no more products')
        return target[name]
      },
    })
    let pass: Promise<unknown> = Promise.resolve()
    withAddon(failing, () => {
      pass = runPass(model, randomBatch([11, 24]), { plan })
    })
    if (left <= 0) await expect(pass, `after ${calls}`).rejects.toThrow('no more products')
    await pass.catch(() => undefined)
    expect(await liveBytes(), `after ${calls}`).toBe(before)
  }
})
