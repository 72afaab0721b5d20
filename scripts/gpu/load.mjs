// How fast a checkpoint comes from disk to a device, in 4 bits; one line of JSON for each round: the first one with the system's
// cache of the files dropped where that is allowed, the others from it.
// usage: node load.mjs FOLDER [--device cuda:0] [--rounds 3] [--dist ../../dist]
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'cuda:0' },
    rounds: { type: 'string', default: '3' },
    dist: { type: 'string', default: resolve(import.meta.dirname, '../../dist') },
  },
})
const require = createRequire(import.meta.url)
const { AutoModelForCausalLM, BitsAndBytesConfig, Device } = require(resolve(values.dist, 'index.js'))
const folder = positionals[0]
const bytes = readdirSync(folder)
  .filter((name) => name.endsWith('.safetensors'))
  .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
const device = Device.get(values.device)
const quantization_config = new BitsAndBytesConfig({
  load_in_4bit: true,
  bnb_4bit_quant_type: 'nf4',
  bnb_4bit_use_double_quant: true,
  bnb_4bit_compute_dtype: 'bfloat16',
})
const gib = (n) => Number((n / 2 ** 30).toFixed(2))

function dropCaches() {
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3')
    return true
  } catch {
    return false
  }
}

for (let round = 0; round < Number(values.rounds); round++) {
  const cold = round === 0 && dropCaches()
  device.resetPeakMemory()
  const rss = process.memoryUsage().rss
  let peakRss = rss
  let longestGap = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    longestGap = Math.max(longestGap, now - last)
    last = now
    peakRss = Math.max(peakRss, process.memoryUsage().rss)
  }, 5)
  const start = performance.now()
  const model = await AutoModelForCausalLM.from_pretrained(folder, {
    quantization_config,
    device_map: values.device === 'cpu' ? 'cpu' : values.device,
  })
  await device.synchronize()
  const s = (performance.now() - start) / 1000
  clearInterval(timer)
  const memory = device.memoryStats()
  console.log(
    JSON.stringify({
      device: device.info.name ?? device.name,
      files: cold ? 'from disk' : 'from the page cache',
      gb: Number((bytes / 1e9).toFixed(2)),
      s: Number(s.toFixed(2)),
      gb_s: Number((bytes / 1e9 / s).toFixed(2)),
      model_gib: gib(memory.allocated),
      beyond_model_gib: gib(memory.peak - memory.allocated),
      host_gib: gib(peakRss - rss),
      longest_js_pause_ms: Math.round(longestGap),
    }),
  )
  model.dispose()
}
process.exit(0)
