// Memory plans on a GPU: whatever is kept, offloaded or recomputed, a tiny golden model's loss and gradients have the same bits.
// Without vitest; exit code 1 when they do not. usage: node memory-plans.mjs [path/to/dist] [path/to/golden]
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const [dist = join(root, 'dist'), goldenDir = join(root, 'test/parity/golden')] = process.argv.slice(2)
const device = process.env['QLORA_TEST_DEVICE'] ?? 'cuda:0'
const require = createRequire(import.meta.url)
const from = (name) => require(resolve(dist, `${name}.js`))
const { AutoModelForCausalLM, BitsAndBytesConfig, LoraConfig, cuda, get_peft_model } = from('index')
const { runPass } = from('models/pass')
const { uniformPlan, keepProducts } = from('models/memory-plan')

const lengths = [61, 124, 57, 96]
const tokens = lengths.reduce((a, b) => a + b)
const batch = {
  input_ids: Int32Array.from({ length: tokens }, (_, i) => 3 + ((i * 7919) % 250)),
  labels: Int32Array.from({ length: tokens }, (_, i) => 3 + ((i * 7919) % 250)),
  position_ids: Int32Array.from(lengths.flatMap((n) => Array.from({ length: n }, (_, i) => i))),
  cu_seqlens: Int32Array.from([0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b))]),
}
/** Before compute capability 8.0 there are no bfloat16 products. */
const half =
  device.startsWith('cuda') && cuda.get_device_capability(Number(device.slice(5) || 0))[0] < 8
    ? 'float16'
    : 'bfloat16'
let failures = 0

async function step(model, options) {
  const { lossSum } = await runPass(model.base_model, batch, { ...options, deterministic: true })
  const gradients = []
  for (const p of model.parameters()) {
    gradients.push(await p.grad.bytes())
    p.zeroGrad()
  }
  return [Buffer.from(Float64Array.of(lossSum).buffer), ...gradients]
}

for (const [name, dtype, options] of [
  ['float32', 'float32', {}],
  [half, half, { autocast: half }],
  ['dropout', half, { autocast: half, dropout: { seed: 1, microstep: 2 } }],
]) {
  const model = get_peft_model(
    await AutoModelForCausalLM.from_pretrained(join(goldenDir, 'tiny-llama'), {
      dtype,
      device_map: { '': device },
      quantization_config: new BitsAndBytesConfig({
        load_in_4bit: true,
        bnb_4bit_quant_type: 'nf4',
        bnb_4bit_compute_dtype: dtype,
        bnb_4bit_use_double_quant: true,
      }),
    }),
    new LoraConfig({ r: 8, target_modules: 'all-linear', lora_dropout: 0.1, init_lora_weights: false }),
  )
  const n = model.base_model.parts.layers.length
  const expected = await step(model, { ...options, plan: uniformPlan(keepProducts, n) })
  const again = await step(model, { ...options, plan: uniformPlan(keepProducts, n) })
  const equal = (a, b) => a.every((bytes, i) => Buffer.compare(bytes, b[i]) === 0)
  if (!equal(expected, again)) {
    failures++
    console.log(`FAIL ${name}: two runs of one plan differ`)
  }
  let same = 0
  for (let i = 0; i < 32; i++) {
    const kept = i % 2 ? 'offload' : 'keep'
    const bit = (b) => ((i >> b) & 1 ? 'recompute' : kept)
    const layer = { x: kept, qkv: bit(1), attention: bit(2), attnResidual: bit(3), mlp: bit(4) }
    if (equal(expected, await step(model, { ...options, plan: uniformPlan(layer, n) }))) same++
    else console.log(`FAIL ${name} ${JSON.stringify(layer)}`)
  }
  // Tiles of the MLP round sums differently from the whole, but whatever becomes of them alike.
  const tiles = { mlpRows: 80 }
  const tiled = await step(model, { ...options, plan: { ...uniformPlan(keepProducts, n), ...tiles } })
  for (const mlp of ['recompute', 'offload']) {
    const plan = { ...uniformPlan({ ...keepProducts, x: 'offload', mlp }, n), ...tiles }
    if (equal(tiled, await step(model, { ...options, plan }))) continue
    failures++
    console.log(`FAIL ${name}: tiles, ${mlp}`)
  }
  model.base_model.parts.embed_tokens.place('host')
  if (!equal(expected, await step(model, { ...options, plan: uniformPlan(keepProducts, n) }))) {
    failures++
    console.log(`FAIL ${name}: embedding on the host`)
  }
  failures += 32 - same
  console.log(`${name}: ${same} of 32 plans give the same bits`)
  model.base_model.dispose()
}
process.exit(failures > 0 ? 1 : 0)
