// A tiny model of each family on a GPU: logits, loss, gradients and greedy text against transformers + PEFT, as test/parity/families.py
// wrote them, in float32 and with the weights in NF4; and the same bits under every memory plan.
// Without vitest; exit code 1 when one is out of tolerance. usage: node families.mjs [path/to/dist] [path/to/golden]
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { relative } from './support-replay.mjs'

const root = resolve(import.meta.dirname, '../..')
const [dist = join(root, 'dist'), goldenDir = join(root, 'test/parity/golden')] = process.argv.slice(2)
const device = process.env['QLORA_TEST_DEVICE'] ?? 'cuda:0'
const require = createRequire(import.meta.url)
const from = (name) => require(resolve(dist, `${name}.js`))
const { AutoModelForCausalLM, BitsAndBytesConfig, LoraConfig, get_peft_model, load_safetensors } =
  from('index')
const { runPass } = from('models/pass')
const { packInputs } = from('models/padding')
const { uniformPlan, keepProducts, keepInput } = from('models/memory-plan')

const limits = { logits: 1e-4, loss: 2e-5, gradient: 1e-4 }
const recomputed = { ...keepProducts, attention: 'recompute', mlp: 'recompute' }
const offloaded = {
  x: 'offload',
  qkv: 'offload',
  attention: 'offload',
  attnResidual: 'offload',
  mlp: 'offload',
}
const plans = [keepProducts, keepInput, recomputed, offloaded, { ...keepProducts, attnResidual: 'keep' }]

const rowsOf = ([rows, cols], data) =>
  Array.from({ length: rows }, (_, r) => data.slice(r * cols, (r + 1) * cols))

async function check(name, kind) {
  const expected = await load_safetensors(join(goldenDir, name, 'expected.safetensors'))
  const numbers = async (key) => Array.from(await expected[key].data(), Number)
  const own = (key) => numbers(expected[`${kind}.${key}`] ? `${kind}.${key}` : `f32.${key}`)
  const batch = {}
  for (const key of ['input_ids', 'attention_mask', 'labels'])
    batch[key] = rowsOf(expected[key].shape, await numbers(key))
  const quantization_config = new BitsAndBytesConfig({
    ...{ load_in_4bit: true, bnb_4bit_quant_type: 'nf4', bnb_4bit_compute_dtype: 'float32' },
  })
  const model = await AutoModelForCausalLM.from_pretrained(join(goldenDir, name), {
    ...{ dtype: 'float32', device_map: { '': device } },
    ...(kind === 'nf4' && { quantization_config }),
  })
  // A device_map that finds no GPU falls back to the CPU with a warning.
  if (model.device.name !== device) throw new Error(`the model is on ${model.device.name}, not on ${device}`)
  const found = { logits: 0, loss: 0, gradient: 0 }
  const see = (key, value) => {
    if (!(value <= found[key])) found[key] = value
  }
  const { logits, loss } = await model.forward(batch)
  const vocab = model.config.vocab_size
  const wanted = await own('logits')
  const got = await logits.data()
  batch.attention_mask.flat().forEach((kept, t) => {
    if (kept) for (let i = t * vocab; i < (t + 1) * vocab; i++) see('logits', Math.abs(got[i] - wanted[i]))
  })
  logits.dispose()
  see('loss', Math.abs(loss - (await own('loss'))[0]))
  const greedy = await own('greedy')
  const options = { max_new_tokens: 24, eos_token_id: [] }
  const [text] = await model.generate({ input_ids: [greedy.slice(0, 6)] }, options)
  const sameText = text.join() === greedy.join()
  const peft = get_peft_model(model, new LoraConfig({ r: 4, lora_alpha: 8, target_modules: 'all-linear' }))
  const { packed } = packInputs(batch, vocab)
  for (const [key, { data }] of peft.named_parameters()) {
    const start = Float32Array.from(await own(`lora.init.${key}`))
    from('native/addon').addon().tensor_write(data.handle, new Uint8Array(start.buffer))
  }
  const steps = []
  for (const layer of plans) {
    const plan = uniformPlan(layer, model.config.num_hidden_layers)
    const { lossSum, numTargets } = await runPass(model, packed, { plan, deterministic: true })
    if (steps.length === 0) see('loss', Math.abs(lossSum / numTargets - (await own('lora.loss'))[0]))
    const bits = [Buffer.from(Float64Array.of(lossSum).buffer)]
    for (const [key, p] of peft.named_parameters()) {
      const gradient = await p.grad.data()
      if (steps.length === 0) see('gradient', relative(gradient, await own(`lora.grad.${key}`)))
      bits.push(Buffer.from(Float32Array.from(gradient).buffer))
      p.zeroGrad()
    }
    steps.push(Buffer.concat(bits))
  }
  const samePlans = steps.every((bits) => bits.equals(steps[0]))
  const ok = sameText && samePlans && Object.keys(found).every((key) => found[key] <= limits[key])
  const summary = `${JSON.stringify(found)}${sameText ? '' : ', another text'}${samePlans ? '' : ', plans differ'}`
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} ${kind} on ${device}: ${summary}`)
  model.dispose()
  return ok
}

// The model in fp8 has no gradients.
const names = readdirSync(goldenDir).filter(
  (name) => !name.endsWith('-fp8') && existsSync(join(goldenDir, name, 'expected.safetensors')),
)
let failures = 0
for (const name of names)
  for (const kind of ['f32', 'nf4'])
    try {
      if (!(await check(name, kind))) failures++
    } catch (error) {
      failures++
      console.log(`FAIL ${name} ${kind}: ${error.stack}`)
    }
console.log(failures ? `${failures} FAILURES` : `${names.length} families agree with transformers and PEFT`)
process.exit(failures || names.length === 0 ? 1 : 0)
