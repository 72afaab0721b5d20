// How fast 4-bit weights become bfloat16 ones on a GPU, beside a copy that reads and writes as many bytes. Buffers take turns, so that
// none is in the cache. usage: node scripts/gpu/dequantize.mjs [--device cuda:0]     QLORA_ADDON: the addon
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { device: { type: 'string', default: 'cuda:0' } } })
const root = resolve(import.meta.dirname, '../..')
const addon = createRequire(import.meta.url)(
  process.env.QLORA_ADDON ?? resolve(root, 'build/Release/qlora.node'),
)
const device = addon.open_device(values.device)
const empty = (dtype, ...shape) => addon.tensor_empty(device, dtype, shape)
const BLOCK = 64
const NESTED = 256
/** More than any GPU's cache. */
const ROTATED = 400e6

/** Seconds of one of many calls, the median of rounds. */
async function seconds(call, calls) {
  const rounds = []
  for (let round = 0; round < 8; round++) {
    await addon.synchronize(device)
    const start = process.hrtime.bigint()
    for (let i = 0; i < calls; i++) call(i)
    await addon.synchronize(device)
    rounds.push(Number(process.hrtime.bigint() - start) / 1e9 / calls)
  }
  return rounds.sort((a, b) => a - b)[4]
}

const map = empty('float32', 256)
const offset = empty('float32', 1)
for (const t of [map, offset]) addon.random_uniform(t, 0, 1, 1, 0)

console.log(addon.device_info(device).split('\n')[0])
for (const [rows, cols] of [
  [1024, 4096],
  [4096, 4096],
  [14336, 4096],
  [28672, 8192],
]) {
  const n = rows * cols
  for (const nested of [false, true]) {
    const bytes = n / 2 + 2 * n + (n / BLOCK) * (nested ? 1 + 4 / NESTED : 4)
    const sets = Array.from({ length: Math.ceil(ROTATED / bytes) + 1 }, () => {
      const codes = empty('uint8', n / 2)
      addon.fill(codes, 0x5a)
      const absmax = empty(nested ? 'uint8' : 'float32', n / BLOCK)
      const ofMaxima = nested ? empty('float32', Math.ceil(n / BLOCK / NESTED)) : undefined
      for (const t of [absmax, ofMaxima]) if (t) addon.fill(t, 1)
      const maxima = nested ? [absmax, map, ofMaxima, offset, NESTED] : [absmax]
      const half = Math.round(bytes / 4 / 8) * 8
      const [from, to] = [empty('bfloat16', half), empty('bfloat16', half)]
      addon.fill(from, 1)
      return { codes, maxima, out: empty('bfloat16', rows, cols), from, to }
    })
    const calls = Math.max(50, Math.round(2e10 / bytes))
    const at = (i) => sets[i % sets.length]
    const made = await seconds((i) => {
      const { codes, maxima, out } = at(i)
      addon.dequantize_4bit(codes, maxima, out, 'nf4', BLOCK, 0)
    }, calls)
    const copied = await seconds((i) => addon.copy(at(i).from, at(i).to), calls)
    const rate = (s) => `${(s * 1e6).toFixed(1)} us, ${(bytes / s / 1e12).toFixed(2)} TB/s`
    console.log(
      `${rows} x ${cols}${nested ? ' nested' : ''}: dequantize ${rate(made)}; copy ${rate(copied)}; ${((100 * copied) / made).toFixed(0)}%`,
    )
    for (const { codes, maxima, out, from, to } of sets)
      for (const t of [codes, maxima[0], ...(nested ? [maxima[2]] : []), out, from, to])
        addon.tensor_release(t)
  }
}
