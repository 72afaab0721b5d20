// One training step of the 8B on one sequence of a given length within a budget of GPU memory, for the table of longest sequences:
// runs qlora-step.mjs in its leanest plan, each length in a process of its own; then the lengths that the planner says would fit.
// usage: node longest.mjs [--device cuda:0] [--runs 30720:8,153600:24] [--plan 8,12,16,24,40,48,80] [--reserve 0.75] [--steps 1]
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { llama8b, nf4 } from '../bench/random-model.mjs'

const { values } = parseArgs({
  options: {
    dist: { type: 'string', default: resolve(import.meta.dirname, '../../dist') },
    device: { type: 'string', default: 'cuda:0' },
    runs: { type: 'string', default: '30720:8,153600:24' },
    plan: { type: 'string', default: '8,12,16,24,40,48,80' },
    // GiB that the driver and the libraries take beside the tensors.
    reserve: { type: 'string', default: '0.75' },
    steps: { type: 'string', default: '1' },
    layers: { type: 'string', default: '32' },
  },
})
const reserve = Number(values.reserve)

for (const run of values.runs.split(',').filter(Boolean)) {
  const [length, gib] = run.split(':').map(Number)
  const args = [
    '--device',
    values.device,
    '--dist',
    values.dist,
    '--layers',
    values.layers,
    '--seq',
    length,
    '--batch',
    1,
  ]
  const plan = ['--memory', `${gib - reserve}GiB`, '--optim', 'paged_adamw_8bit', '--steps', values.steps]
  console.log(`# ${length} tokens in ${gib} GiB`)
  spawnSync(
    process.execPath,
    [resolve(import.meta.dirname, 'qlora-step.mjs'), ...args, ...plan].map(String),
    {
      stdio: 'inherit',
    },
  )
}

const require = createRequire(import.meta.url)
const from = (name) => require(resolve(values.dist, `${name}.js`))
const { PretrainedConfig, LoraConfig, BitsAndBytesConfig } = from('index')
const { cudaMachine } = from('memory/machine')
const { Planner } = from('memory/planner')

/** The longest multiple of 256 whose leanest plan fits, with as much host memory as it wants. */
function longest(gib) {
  const fits = (tokens) => {
    const planner = new Planner(shape(tokens), cudaMachine((gib - reserve) * 2 ** 30, Infinity))
    return planner.fits(planner.choose('lean', true), planner.machine.free)
  }
  let [low, high] = [0, 2 ** 14]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(middle * 256)) low = middle
    else high = middle - 1
  }
  return low * 256
}

function shape(tokens) {
  return {
    config: new PretrainedConfig(llama8b(Number(values.layers))),
    dtype: 'bfloat16',
    quantization: new BitsAndBytesConfig(nf4),
    lora: new LoraConfig({ r: 32, lora_alpha: 32, target_modules: 'all-linear' }),
    adapterDtype: 'float32',
    autocast: 'bfloat16',
    optimizer: {
      optim: 'paged_adamw_8bit',
      optim_args: null,
      adam_beta1: 0.9,
      adam_beta2: 0.999,
      adam_epsilon: 1e-8,
      weight_decay: 0,
    },
    tokens,
    sequences: 1,
    gradientAccumulation: 1,
  }
}

for (const gib of values.plan.split(',').filter(Boolean).map(Number)) {
  console.log(
    JSON.stringify({ gib, longest_tokens: longest(gib), plan: 'lean, paged_adamw_8bit, r 32 all-linear' }),
  )
}
