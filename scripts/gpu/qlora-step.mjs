// QLoRA steps of a random-weight Llama on any device; one line of JSON. The defaults are Llama-3-8B's shapes.
// usage: node qlora-step.mjs [--device cuda:0] [--layers 32] [--seq 2048] [--batch 2] [--rank 32] [--targets all-linear]
//        [--checkpointing] [--steps 6] [--dist ../../dist]
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { randomBatch, RandomSource } from '../bench/random-model.mjs'

const { values } = parseArgs({
  options: {
    dist: { type: 'string', default: resolve(import.meta.dirname, '../../dist') },
    device: { type: 'string', default: 'cuda:0' },
    layers: { type: 'string', default: '32' },
    seq: { type: 'string', default: '2048' },
    batch: { type: 'string', default: '2' },
    rank: { type: 'string', default: '32' },
    targets: { type: 'string', default: 'all-linear' },
    checkpointing: { type: 'boolean', default: false },
    steps: { type: 'string', default: '6' },
  },
})
const require = createRequire(import.meta.url)
const from = (name) => require(resolve(values.dist, `${name}.js`))
const { LlamaConfig, LoraConfig, BitsAndBytesConfig, get_peft_model, AdamW, Device } = from('index')
const { LlamaForCausalLM } = from('models/causal-lm')
const { buildModel } = from('models/build')
const { runPass } = from('models/pass')
const { clipGradNorm } = from('optim/clip')
const { Generator } = from('tensor/random')
const [layers, seq, batch, rank, steps] = ['layers', 'seq', 'batch', 'rank', 'steps'].map((key) =>
  Number(values[key]),
)
const dtype = 'bfloat16'
const device = Device.get(values.device)

const config = new LlamaConfig({
  model_type: 'llama',
  vocab_size: 128256,
  hidden_size: 4096,
  intermediate_size: 14336,
  num_hidden_layers: layers,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  tie_word_embeddings: false,
})
const quantization = new BitsAndBytesConfig({
  load_in_4bit: true,
  bnb_4bit_quant_type: 'nf4',
  bnb_4bit_compute_dtype: dtype,
  bnb_4bit_use_double_quant: true,
})
const loading = performance.now()
const parts = await buildModel(config, new RandomSource(config, new Generator(0)), device, {
  dtype,
  quantization,
})
await device.synchronize()
const load_s = (performance.now() - loading) / 1000
const base = new LlamaForCausalLM(config, parts, device, dtype, 'random', quantization)
if (values.checkpointing) base.gradient_checkpointing_enable()
const targets = values.targets === 'all-linear' ? 'all-linear' : values.targets.split(',')
const model = get_peft_model(base, new LoraConfig({ r: rank, lora_alpha: rank, target_modules: targets }))
const optimizer = new AdamW(model.parameters())
const tokens = batch * seq
const resident = device.memoryStats().allocated
device.resetPeakMemory()
const times = []
const losses = []
for (let step = 0; step < steps; step++) {
  const packed = randomBatch(batch, seq, 128000)
  const start = performance.now()
  const stats = await runPass(base, packed, { autocast: dtype })
  await clipGradNorm(model.parameters(), 0.3)
  optimizer.step(2e-4)
  optimizer.zeroGrad()
  await device.synchronize()
  times.push((performance.now() - start) / 1000)
  losses.push(stats.lossSum / stats.numTargets)
}
const median = times.slice(1).sort((a, b) => a - b)[Math.floor((steps - 1) / 2)]
const gib = (bytes) => Number((bytes / 2 ** 30).toFixed(2))
const memory = device.memoryStats()
console.log(
  JSON.stringify({
    gpu: device.info.name ?? device.name,
    layers,
    seq,
    batch,
    rank,
    targets,
    checkpointing: values.checkpointing,
    tok_s: Number((tokens / median).toFixed(0)),
    step_ms: Number((median * 1000).toFixed(1)),
    times_ms: times.map((t) => Math.round(t * 1000)),
    peak_tensors_gib: gib(memory.peak),
    reserved_gib: gib(memory.reserved),
    resident_gib: gib(resident),
    load_s: Number(load_s.toFixed(1)),
    losses: losses.map((x) => Number(x.toFixed(4))),
  }),
)
process.exit(0)
