// Speed of attention on this machine: node native/bench/attention.mjs [dtype]. GFLOP/s count the products that
// causality leaves (half), 2 of them forward and 5 backward. Addon: QLORA_ADDON or build/Release/qlora.node.
import { addon, device, random as randomTensor, seconds } from './support.mjs'

const dtype = process.argv[2] ?? 'float32'

const random = (shape) => randomTensor(shape, dtype)

function cu(lengths) {
  const tensor = addon.tensor_empty(device, 'int32', [lengths.length + 1])
  const sums = Int32Array.from([0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b))])
  addon.tensor_write(tensor, new Uint8Array(sums.buffer))
  return tensor
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
  const forward = await seconds(() => addon.attention_forward(q, k, v, cuQ, cuK, out, lse, ...args, 0, 0), 40)
  let line = `${name.padEnd(28)} forward ${(forward * 1e3).toFixed(3)} ms ${((2 * flops) / forward / 1e9).toFixed(0)} GFLOP/s`
  if (queries === keys) {
    const dout = random([tq, heads * dim])
    const [dq, dk, dv] = [random([tq, heads * dim]), random([tk, kvHeads * dim]), random([tk, kvHeads * dim])]
    const backward = await seconds(
      () => addon.attention_backward(dout, q, k, v, out, lse, cuQ, dq, dk, dv, ...args, 0, 0, false),
      40,
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
