// QLoRA steps of a random-weight Llama on any device; one line of JSON. The defaults are Llama-3-8B's shapes.
// usage: node qlora-step.mjs [--device cuda:0] [--layers 32] [--seq 2048] [--batch 2] [--rank 32] [--targets all-linear]
//        [--checkpointing] [--steps 6] [--dist ../../dist]
//        [--workload tutorial|all-linear|ctx:S]   in place of seq, batch, rank and targets: one that peer.py has, too
//        [--memory fast|balanced|lean|<bytes>|6.3GiB] [--optim paged_adamw_8bit]
//        [--group]     through a group of one rank over NCCL, to be compared with a run without it
//        [--profile]   where the last step's time went, by operation (a step is slower then)
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { llama8b, nf4, randomRows, RandomSource } from '../bench/random-model.mjs'
import { uniformWorkload, workloadOf } from './workloads.mjs'

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
    workload: { type: 'string' },
    memory: { type: 'string' },
    optim: { type: 'string', default: 'adamw_torch' },
    group: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
  },
})
if (values.profile) process.env.QLORA_PROFILE = '1'
const require = createRequire(import.meta.url)
const from = (name) => require(resolve(values.dist, `${name}.js`))
const { PretrainedConfig, LoraConfig, BitsAndBytesConfig, TrainingArguments } = from('index')
const { Device, get_peft_model, init_process_group, train_step } = from('index')
const { CausalLM } = from('models/causal-lm')
const { tensorShapes } = from('models/blueprint')
const { buildModel } = from('models/build')
const { blueprintOf } = from('models/families')
const { createOptimizer } = from('optim/create')
const { planMemory } = from('trainer/apply-memory-plan')
const { Generator } = from('tensor/random')
const [layers, seq, batch, rank, steps] = ['layers', 'seq', 'batch', 'rank', 'steps'].map((key) =>
  Number(values[key]),
)
const workload = values.workload
  ? workloadOf(values.workload)
  : uniformWorkload({ seq, batch, rank, targets: values.targets })
const dtype = 'bfloat16'
const device = Device.get(values.device)

const config = new PretrainedConfig(llama8b(layers))
const quantization = new BitsAndBytesConfig(nf4)
const loading = performance.now()
const parts = await buildModel(
  config,
  new RandomSource(tensorShapes(blueprintOf(config)), new Generator(0)),
  device,
  {
    dtype,
    quantization,
  },
)
await device.synchronize()
const load_s = (performance.now() - loading) / 1000
const base = new CausalLM(config, parts, device, dtype, 'random', quantization)
if (values.checkpointing) base.gradient_checkpointing_enable()
const model = get_peft_model(base, new LoraConfig(workload.lora))
const sum = (list) => list.reduce((a, b) => a + b, 0)
if (values.group) Object.assign(process.env, { RANK: '0', WORLD_SIZE: '1', LOCAL_RANK: '0' })
const group = values.group ? await init_process_group({ device: values.device }) : undefined
const windows = Array.from({ length: steps }, (_, step) => workload.window(step))
const sizes = windows.flat().map((lengths) => ({
  tokens: sum(lengths),
  sequences: lengths.length,
  longest: Math.max(...lengths),
}))
const memoryWish = values.memory && (Number(values.memory) || values.memory)
const args = new TrainingArguments({
  bf16: true,
  optim: values.optim,
  gradient_checkpointing: values.checkpointing,
  gradient_accumulation_steps: windows[0].length,
  memory: memoryWish ?? null,
})
const planned = planMemory(model, args, sizes)
const optimizer = createOptimizer(model.parameters(), args)
await device.synchronize()
const resident = device.memoryStats().allocated
device.resetPeakMemory()
const times = []
const losses = []
let microstep = 0
for (let step = 0; step < steps; step++) {
  if (step === steps - 1) device.info // what has been profiled so far is not asked for
  const batches = windows[step].map((lengths) => randomRows(lengths, 128000))
  const start = performance.now()
  const { loss } = await train_step(model, optimizer, batches, {
    learning_rate: 2e-4,
    max_grad_norm: 0.3,
    bf16: true,
    dropout: { seed: 0, microstep },
    ...(group && { group }),
  })
  microstep += batches.length
  await device.synchronize()
  times.push((performance.now() - start) / 1000)
  losses.push(loss)
}
// As the peers are timed: the tokens of the steps after the first quarter over their time.
const warm = Math.min(steps - 1, Math.max(2, Math.floor(steps / 4)))
const tokens = sum(windows.slice(warm).flat(2))
const seconds = sum(times.slice(warm))
const gib = (bytes) => Number((bytes / 2 ** 30).toFixed(2))
const memory = device.memoryStats()
const info = device.info
console.log(
  JSON.stringify({
    gpu: info.name ?? device.name,
    layers,
    workload: values.workload ?? `${values.targets} r=${rank} ${batch}x${seq}`,
    checkpointing: values.checkpointing,
    group: group?.library,
    memory: args.memory,
    optim: args.optim,
    tok_s: Number((tokens / seconds).toFixed(0)),
    step_ms: Number(((seconds / (steps - warm)) * 1000).toFixed(1)),
    mean_tokens: Math.round(tokens / (steps - warm)),
    times_ms: times.map((t) => Math.round(t * 1000)),
    predicted_step_ms: planned && Number((planned.largest.seconds * 1000).toFixed(1)),
    plans: planned?.classes.map(({ size, planned: { peaks, seconds } }) => ({
      up_to_tokens: size.tokens,
      peak_gib: gib(peaks.device),
      ms: Number((seconds * 1000).toFixed(1)),
    })),
    predicted_peak_gib: planned && gib(planned.peaks.device),
    peak_tensors_gib: gib(memory.peak),
    predicted_error_percent: planned && Number((100 * (planned.peaks.device / memory.peak - 1)).toFixed(2)),
    predicted_host_gib: planned && gib(planned.peaks.host),
    pinned_gib: gib(memory.pinned),
    gpu_in_use_gib: device.info.total_memory && gib(device.info.total_memory - device.info.free_memory),
    reserved_gib: gib(memory.reserved),
    resident_gib: gib(resident),
    load_s: Number(load_s.toFixed(1)),
    losses: losses.map((x) => Number(x.toFixed(4))),
  }),
)
if (values.profile) {
  const rows = Object.entries(info).filter(([key]) => key.startsWith('profile:'))
  const table = rows.map(([key, value]) => [key.slice(8), ...value.split(' ').map(Number)])
  for (const [name, micros, calls, host] of table.sort((a, b) => b[1] - a[1]))
    console.log(
      `${(micros / 1000).toFixed(2).padStart(9)} ms  ${String(calls).padStart(5)} x  host ${(host / 1000).toFixed(2).padStart(7)} ms  ${name}`,
    )
}
process.exit(0)
