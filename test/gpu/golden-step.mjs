// Optimizer steps of the tiny golden models on a GPU, against the log of HF Trainer + PEFT, by the numbers that matter there: loss,
// norm, first gradients. Exit code 1 when one is out of tolerance.
// usage: node golden-step.mjs path/to/dist path/to/golden [device]   (QLORA_ADDON names the addon)
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { relative, replay, variants } from './support-replay.mjs'

const [dist, goldenDir, gpuName = 'cuda:0'] = process.argv.slice(2)
const require = createRequire(import.meta.url)
const library = require(resolve(dist, 'index.js'))
const { cuda, load_safetensors } = library

const exact = { loss: 2e-5, norm: 1e-5, gradient: 1e-4 }
const bf16 = { loss: 1e-2, norm: 1e-2, gradient: 3.5e-2 }

let failures = 0
const hasBf16 =
  !gpuName.startsWith('cuda') || cuda.get_device_capability(Number(gpuName.slice(5) || 0))[0] >= 8
if (!hasBf16) console.log('qv_bf16 left out: this GPU has no bfloat16 products')
for (const variant of variants) {
  if (variant === 'qv_bf16' && !hasBf16) continue
  const limit = variant === 'qv_bf16' ? bf16 : exact
  const expected = await load_safetensors(join(goldenDir, 'lora_step', variant, 'steps.safetensors'))
  const worst = { loss: 0, norm: 0, gradient: 0 }
  const see = (key, value) => {
    if (!(value <= worst[key])) worst[key] = value
  }
  await replay(library, goldenDir, variant, gpuName, {
    async gradients(step, model, loss, logged) {
      see('loss', Math.abs(loss - logged.loss))
      if (step > 0) return
      for (const [name, { grad }] of model.named_parameters()) {
        const gradient = await expected[`grad1.${name}`].data()
        see('gradient', relative(Float64Array.from(await grad.data()), gradient))
      }
    },
    async updated(_step, _model, { norm }, logged) {
      see('norm', Math.abs(norm - logged.grad_norm) / logged.grad_norm)
    },
  })
  const ok = Object.keys(worst).every((key) => worst[key] <= limit[key])
  if (!ok) failures++
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${variant} on ${gpuName}: ${JSON.stringify(worst)}`)
}
console.log(failures ? `${failures} FAILURES` : `${gpuName} agrees with the reference stack`)
process.exit(failures ? 1 : 0)
