// Optimizer steps of the tiny golden models on a GPU, against the log of HF Trainer + PEFT: the same check as
// test/parity/lora-step.test.ts, without vitest. Exit code 1 when a number is out of tolerance.
// usage: node golden-step.mjs path/to/dist path/to/golden [device]   (QLORA_ADDON names the addon)
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

const [dist, goldenDir, gpuName = 'cuda:0'] = process.argv.slice(2)
const require = createRequire(import.meta.url)
const from = (name) => require(resolve(dist, `${name}.js`))
const { AutoModelForCausalLM, PeftModel, AdamW, get_scheduler } = {
  ...from('optim/schedules'),
  ...from('index'),
}
const { packInputs } = from('models/padding')
const { countTargets } = from('models/batch')
const { runPass } = from('models/pass')
const { clipGradNorm } = from('optim/clip')
const { load_safetensors } = from('tensor/safetensors')

const exact = { loss: 2e-5, norm: 1e-5, gradient: 1e-4 }
const bf16 = { loss: 1e-2, norm: 1e-2, gradient: 3.5e-2 }
const path = (...parts) => join(goldenDir, ...parts)

async function tensors(...parts) {
  const entries = Object.entries(await load_safetensors(path(...parts)))
  return new Map(
    await Promise.all(entries.map(async ([name, t]) => [name, { shape: t.shape, data: await t.data() }])),
  )
}
function rowsOf({ shape: [rows, cols], data }) {
  return Array.from({ length: rows }, (_, r) =>
    Array.from({ length: cols }, (_, c) => Number(data[r * cols + c])),
  )
}
function relative(a, b) {
  let difference = 0
  let norm = 0
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2
    norm += b[i] ** 2
  }
  return Math.sqrt(difference) / (norm === 0 ? 1 : Math.sqrt(norm))
}

let failures = 0
const { cuda } = from('index')
const hasBf16 =
  !gpuName.startsWith('cuda') || cuda.get_device_capability(Number(gpuName.slice(5) || 0))[0] >= 8
if (!hasBf16) console.log('qv_bf16 left out: this GPU has no bfloat16 products')
for (const variant of [
  'qv',
  'qv_const',
  'all_linear',
  'all_linear_rslora',
  'all_linear_dora',
  'qv_ga2',
  'qv_lm_head',
  'bias_all',
  ...(hasBf16 ? ['qv_bf16'] : []),
]) {
  const limit = variant === 'qv_bf16' ? bf16 : exact
  const log = JSON.parse(readFileSync(path('lora_step', variant, 'log.json'), 'utf8'))
  const batches = await tensors('lora_step', log.batches)
  const expected = await tensors('lora_step', variant, 'steps.safetensors')
  const { args } = log
  const base = await AutoModelForCausalLM.from_pretrained(path(log.base), {
    dtype: args.bf16 ? 'bfloat16' : 'float32',
    device_map: gpuName,
  })
  const model = await PeftModel.from_pretrained(base, path('lora_step', variant, 'init'))
  const optimizer = new AdamW(model.parameters(), { weight_decay: args.weight_decay })
  const schedule = get_scheduler(args.lr_scheduler_type, {
    num_warmup_steps: log.warmup_steps,
    num_training_steps: args.max_steps,
    learning_rate: args.learning_rate,
  })
  const worst = { loss: 0, norm: 0, gradient: 0 }
  const see = (key, value) => {
    if (!(value <= worst[key])) worst[key] = value
  }
  for (const [step, reference] of log.steps.entries()) {
    const window = Array.from({ length: log.microbatches_per_step }, (_, m) => {
      const key = `mb${String(step * log.microbatches_per_step + m).padStart(2, '0')}`
      const rows = (field) => rowsOf(batches.get(`${key}.${field}`))
      return packInputs({
        input_ids: rows('input_ids'),
        attention_mask: rows('attention_mask'),
        labels: rows('labels'),
      }).packed
    })
    const numItems = window.reduce((n, batch) => n + countTargets(batch), 0)
    optimizer.zeroGrad()
    let loss = 0
    for (const batch of window) {
      const stats = await runPass(base, batch, { numItems, autocast: args.bf16 ? 'bfloat16' : undefined })
      loss += stats.lossSum / numItems
    }
    see('loss', Math.abs(loss - reference.loss))
    if (step === 0)
      for (const [name, parameter] of model.named_parameters())
        see(
          'gradient',
          relative(Float64Array.from(await parameter.grad.data()), expected.get(`grad1.${name}`).data),
        )
    const norm = await clipGradNorm(model.parameters(), args.max_grad_norm)
    see('norm', Math.abs(norm - reference.grad_norm) / reference.grad_norm)
    optimizer.step(args.learning_rate * schedule(step))
  }
  optimizer.dispose()
  model.dispose()
  const ok = Object.keys(worst).every((key) => worst[key] <= limit[key])
  if (!ok) failures++
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${variant} on ${base.device.name}: ${JSON.stringify(worst)}`)
}
console.log(failures ? `${failures} FAILURES` : `${gpuName} agrees with the reference stack`)
process.exit(failures ? 1 : 0)
