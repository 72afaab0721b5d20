// Main memory of `qlora merge` and `qlora export` on a Llama-3-8B's shapes with random weights and an adapter of rank 32 on all linear
// layers. One JSON line a command: peak resident memory, time, what was written. Needs some 40 GB of disk in FOLDER with 32 layers.
//   node scripts/bench/merge-memory.mjs FOLDER [--layers 32] [--quantization_method Q8_0]
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { writeCheckpoint } from '../gpu/random-checkpoint.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    layers: { type: 'string', default: '32' },
    quantization_method: { type: 'string', default: 'Q8_0' },
  },
})
const layers = Number(values.layers)
const [folder] = positionals
if (folder === undefined) throw new Error('usage: node scripts/bench/merge-memory.mjs FOLDER [--layers 32]')
const dist = resolve(import.meta.dirname, '../../dist')
const base = resolve(folder, 'base')
const adapter = resolve(folder, 'adapter')
const out = resolve(folder, 'out')

/** A and B of rank 32 for each linear layer of a decoder layer. */
async function writeAdapter() {
  const require = createRequire(import.meta.url)
  const { LoraConfig, Tensor, save_safetensors } = require(join(dist, 'index.js'))
  const r = 32
  const widths = {
    ...{ 'self_attn.q_proj': [4096, 4096], 'self_attn.k_proj': [1024, 4096] },
    ...{ 'self_attn.v_proj': [1024, 4096], 'self_attn.o_proj': [4096, 4096] },
    ...{ 'mlp.gate_proj': [14336, 4096], 'mlp.up_proj': [14336, 4096], 'mlp.down_proj': [4096, 14336] },
  }
  const tensors = {}
  for (let layer = 0; layer < layers; layer++)
    for (const [name, [rows, columns]] of Object.entries(widths)) {
      const key = `base_model.model.model.layers.${layer}.${name}`
      const values = (count) => Float32Array.from({ length: count }, (_, i) => 0.01 * Math.sin(i))
      tensors[`${key}.lora_A.weight`] = Tensor.from(values(r * columns), { shape: [r, columns] })
      tensors[`${key}.lora_B.weight`] = Tensor.from(values(rows * r), { shape: [rows, r] })
    }
  mkdirSync(adapter, { recursive: true })
  await save_safetensors(join(adapter, 'adapter_model.safetensors'), tensors)
  for (const tensor of Object.values(tensors)) tensor.dispose()
  const lora = new LoraConfig({ r, lora_alpha: 16, target_modules: 'all-linear', task_type: 'CAUSAL_LM' })
  const config = { ...lora.to_dict(), base_model_name_or_path: base }
  writeFileSync(join(adapter, 'adapter_config.json'), JSON.stringify(config))
}

/** Runs a command of the CLI; it tells its peak when it ends. */
function run(args) {
  const told = join(folder, 'told.cjs')
  writeFileSync(
    told,
    `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(join(folder, 'peak'))},
      String(process.resourceUsage().maxRSS)))`,
  )
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ['--require', told, join(dist, 'cli/main.js'), ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    child.on('error', fail)
    child.on('close', (code) => (code === 0 ? done() : fail(new Error(`${args[0]} ended with ${code}`))))
  })
}

mkdirSync(folder, { recursive: true })
try {
  const bytes = await writeCheckpoint(base, dist, { layers })
  await writeAdapter()
  const method = ['--quantization_method', values.quantization_method]
  for (const args of [['merge'], ['export', ...method]]) {
    const [command, ...options] = args
    const began = performance.now()
    await run([command, adapter, '--output_dir', out, ...options])
    const written = readdirSync(out).reduce((sum, name) => sum + statSync(join(out, name)).size, 0)
    console.log(
      JSON.stringify({
        ...{ command: args.join(' '), layers, base_gb: bytes / 1e9, written_gb: written / 1e9 },
        peak_rss_gib: Number(readFileSync(join(folder, 'peak'), 'utf8')) / 2 ** 20,
        seconds: (performance.now() - began) / 1000,
      }),
    )
    rmSync(out, { recursive: true })
  }
} finally {
  for (const path of [base, adapter, out]) rmSync(path, { recursive: true, force: true })
}
