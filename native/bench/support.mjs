// What the operation benches share. Addon: QLORA_ADDON or build/Release/qlora.node.
import { createRequire } from 'node:module'
import { resolve } from 'node:path'

export const addon = createRequire(import.meta.url)(
  process.env.QLORA_ADDON ?? resolve(import.meta.dirname, '../../build/Release/qlora.node'),
)
export const device = addon.open_device('cpu')

export function random(shape, dtype) {
  const tensor = addon.tensor_empty(device, dtype, shape)
  addon.random_normal(tensor, 0, 1, 7, shape[0])
  return tensor
}

/** Seconds of one call, the best of many short rounds: other work on the machine hits only some. */
export async function seconds(call, rounds) {
  let best = Infinity
  for (let round = 0, repeats = 1; round < rounds;) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < repeats; i++) call()
    await addon.synchronize(device)
    const took = Number(process.hrtime.bigint() - start) / 1e9
    if (took < 0.01) repeats *= 2
    else {
      best = Math.min(best, took / repeats)
      round++
    }
  }
  return best
}
