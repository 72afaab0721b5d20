// Speed of attention on this machine: node native/bench/attention.mjs [dtype]. GFLOP/s count the products that
// causality leaves (half), 2 of them forward and 5 backward. Addon: QLORA_ADDON or build/Release/qlora.node.
import { createRequire } from 'node:module'
import { resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const addon = createRequire(import.meta.url)(
  process.env.QLORA_ADDON ?? resolve(root, 'build/Release/qlora.node'),
)
const device = addon.open_device('cpu')
const dtype = process.argv[2] ?? 'float32'

function random(shape) {
  const tensor = addon.tensor_empty(device, dtype, shape)
  addon.random_normal(tensor, 0, 1, 7, shape[0])
  return tensor
}

function cu(lengths) {
  const tensor = addon.tensor_empty(device, 'int32', [lengths.length + 1])
  const sums = Int32Array.from([0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b))])
  addon.tensor_write(tensor, new Uint8Array(sums.buffer))
  return tensor
}

/** Seconds of one call, the best of many short rounds: other work on the machine hits only some. */
async function seconds(call) {
  let best = Infinity
  for (let round = 0, repeats = 1; round < 40;) {
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

async function measure(name, { queries, keys = queries, heads = 9, kvHeads = 3, dim = 64 }) {
  const total = (lengths) => lengths.reduce((a, b) => a + b)
  const [tq, tk] = [total(queries), total(keys)]
  const q = random([tq, heads * dim])
  const [k, v] = [random([tk, kvHeads * dim]), random([tk, kvHeads * dim])]
  const out = random([tq, heads * dim])
  const lse = addon.tensor_empty(device, 'float32', [heads, tq])
  const [cuQ, cuK] = [cu(queries), cu(keys)]
  const pairs = total(queries.map((n, i) => n * (keys[i] - n) + (n * (n + 1)) / 2))
  const flops = 2 * pairs * dim * heads
  const args = [heads, kvHeads, dim ** -0.5, 0]
  const forward = await seconds(() => addon.attention_forward(q, k, v, cuQ, cuK, out, lse, ...args))
  let line = `${name.padEnd(28)} forward ${(forward * 1e3).toFixed(3)} ms ${((2 * flops) / forward / 1e9).toFixed(0)} GFLOP/s`
  if (queries === keys) {
    const dout = random([tq, heads * dim])
    const [dq, dk, dv] = [random([tq, heads * dim]), random([tk, kvHeads * dim]), random([tk, kvHeads * dim])]
    const backward = await seconds(() =>
      addon.attention_backward(dout, q, k, v, out, lse, cuQ, dq, dk, dv, ...args),
    )
    line += `, backward ${(backward * 1e3).toFixed(3)} ms ${((5 * flops) / backward / 1e9).toFixed(0)} GFLOP/s`
  }
  console.log(line)
}

console.log(addon.device_info(device).replaceAll('\n', ' '), dtype)
await measure('4 x 256, 9/3 heads x 64', { queries: [256, 256, 256, 256] })
await measure('1 x 2048, 9/3 heads x 64', { queries: [2048] })
await measure('1 x 512, 32/8 heads x 128', { queries: [512], heads: 32, kvHeads: 8, dim: 128 })
await measure('64 x 16, 9/3 heads x 64', { queries: Array(64).fill(16) })
await measure('decode 1 of 4096, 9/3 x 64', { queries: [1], keys: [4096] })
