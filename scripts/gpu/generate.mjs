// Generation of a random-weight Llama on any device; one line of JSON a prompt length. The defaults are Llama-3-8B's shapes.
// usage: node generate.mjs [--device cuda:0] [--layers 32] [--prompt 128[,8192]] [--new 128] [--batch 1] [--rank 0] [--sample]
//        [--profile] [--dist ../../dist]
//        --batch    prompts, which generate takes one after another
//        --rank     above 0: with adapters on all linear layers, not merged
//        --sample   top_k 50, top_p 0.9 in place of the most probable token
//        --profile  where the new tokens' time went, by operation (a token is slower then)
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { llama8b, nf4, RandomSource } from '../bench/random-model.mjs'

const { values } = parseArgs({
  options: {
    dist: { type: 'string', default: resolve(import.meta.dirname, '../../dist') },
    device: { type: 'string', default: 'cuda:0' },
    layers: { type: 'string', default: '32' },
    prompt: { type: 'string', default: '128' },
    new: { type: 'string', default: '128' },
    batch: { type: 'string', default: '1' },
    rank: { type: 'string', default: '0' },
    sample: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
  },
})
if (values.profile) process.env.QLORA_PROFILE = '1'
const require = createRequire(import.meta.url)
const from = (name) => require(resolve(values.dist, `${name}.js`))
const { PretrainedConfig, LoraConfig, BitsAndBytesConfig, get_peft_model, Device } = from('index')
const { CausalLM } = from('models/causal-lm')
const { tensorShapes } = from('models/blueprint')
const { buildModel } = from('models/build')
const { blueprintOf } = from('models/families')
const { decodeStep } = from('models/decode')
const { KVCache } = from('models/kv-cache')
const { Generator } = from('tensor/random')
const [layers, fresh, batch, rank] = ['layers', 'new', 'batch', 'rank'].map((key) => Number(values[key]))
const dtype = 'bfloat16'
const device = Device.get(values.device)

const config = new PretrainedConfig(llama8b(layers))
const quantization = new BitsAndBytesConfig(nf4)
const source = new RandomSource(tensorShapes(blueprintOf(config)), new Generator(0))
const parts = await buildModel(config, source, device, { dtype, quantization })
const model = new CausalLM(config, parts, device, dtype, 'random', quantization)
if (rank > 0) get_peft_model(model, new LoraConfig({ r: rank, target_modules: 'all-linear' }))
const promptOf = (length) => Array.from({ length }, () => Math.floor(Math.random() * 128000))
const choice = values.sample ? { do_sample: true, top_k: 50, top_p: 0.9, seed: 0 } : { do_sample: false }
const rounded = (x) => Number(x.toFixed(2))

await model.generate({ input_ids: [promptOf(16)] }, { max_new_tokens: 8, ...choice }) // libraries and kernels are loaded
for (const length of values.prompt.split(',').map(Number)) {
  device.resetPeakMemory()
  const prompts = Array.from({ length: batch }, () => promptOf(length))
  const start = performance.now()
  const rows = await model.generate({ input_ids: prompts }, { max_new_tokens: fresh, ...choice })
  const total = performance.now() - start
  const tokens = rows.reduce((n, row) => n + row.length - length, 0)

  // The same in parts: the prompt, then one step for each token, the share of it in which JavaScript enqueues.
  const cache = new KVCache(model, length + fresh)
  const began = performance.now()
  await decodeStep(model, [{ row: 0, ids: prompts[0] }], cache)
  const prefill = performance.now() - began
  if (values.profile) device.info // what has been profiled so far is not asked for
  let enqueuing = 0
  const steps = []
  for (let i = 1; i < fresh; i++) {
    const before = performance.now()
    const step = decodeStep(model, [{ row: 0, ids: [i] }], cache)
    enqueuing += performance.now() - before
    await step
    steps.push(performance.now() - before)
  }
  cache.dispose()
  const info = device.info
  steps.sort((a, b) => a - b)
  console.log(
    JSON.stringify({
      gpu: info.name ?? device.name,
      layers,
      rank,
      prompt: length,
      new: fresh,
      batch,
      sample: values.sample,
      tok_s: rounded((tokens / total) * 1000),
      ms_per_token: rounded(total / tokens),
      prefill_ms: rounded(prefill),
      step_ms_median: rounded(steps[steps.length >> 1]),
      enqueue_ms: rounded(enqueuing / steps.length),
      peak_gib: rounded(device.memoryStats().peak / 2 ** 30),
    }),
  )
  if (!values.profile) continue
  const table = Object.entries(info)
    .filter(([key]) => key.startsWith('profile:'))
    .map(([key, value]) => [key.slice(8), ...value.split(' ').map(Number)])
  for (const [name, micros, calls, host] of table.sort((a, b) => b[1] - a[1])) {
    const each = (x) => (x / 1000 / steps.length).toFixed(3).padStart(8)
    console.log(`a token: ${each(micros)} ms  ${calls / steps.length} x  host ${each(host)} ms  ${name}`)
  }
}
process.exit(0)
