// One process: QLoRA steps of a SmolLM2-135M-shaped random model, the same work as peer_cpu.py. Prints one line of JSON.
// usage: node qlora-step.mjs [--dtype float32|bfloat16] [--steps N] [--seq S] [--batch B] [--layers L]
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { randomBatch, RandomSource } from './random-model.mjs'

const require = createRequire(import.meta.url)
const from = (name) => require(`../../dist/${name}.js`)
const { PretrainedConfig, LoraConfig, BitsAndBytesConfig, get_peft_model, AdamW, Device, train_step } =
  from('index')
const { CausalLM } = from('models/causal-lm')
const { tensorShapes } = from('models/blueprint')
const { buildModel } = from('models/build')
const { blueprintOf } = from('models/families')
const { Generator } = from('tensor/random')

const { values } = parseArgs({
  options: {
    dtype: { type: 'string', default: 'float32' },
    steps: { type: 'string', default: '4' },
    seq: { type: 'string', default: '256' },
    batch: { type: 'string', default: '4' },
    layers: { type: 'string', default: '30' },
  },
})
const [steps, seq, batch, layers] = ['steps', 'seq', 'batch', 'layers'].map((key) => Number(values[key]))
const { dtype } = values

const config = new PretrainedConfig({
  model_type: 'llama',
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: layers,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
})
const device = Device.get('cpu')
const quantization = new BitsAndBytesConfig({
  load_in_4bit: true,
  bnb_4bit_quant_type: 'nf4',
  bnb_4bit_compute_dtype: dtype,
})
const parts = await buildModel(
  config,
  new RandomSource(tensorShapes(blueprintOf(config)), new Generator(0)),
  device,
  {
    dtype,
    quantization,
  },
)
const base = new CausalLM(config, parts, device, dtype, 'random', quantization)
const model = get_peft_model(base, new LoraConfig({ r: 16, lora_alpha: 16, target_modules: 'all-linear' }))
const optimizer = new AdamW(model.parameters())
const tokens = batch * seq
const times = []
let loss = 0
for (let step = 0; step < steps; step++) {
  const packed = randomBatch(batch, seq, 49000)
  const start = performance.now()
  const result = await train_step(model, optimizer, [packed], {
    learning_rate: 2e-4,
    max_grad_norm: 0.3,
    bf16: dtype === 'bfloat16',
  })
  await device.synchronize()
  times.push((performance.now() - start) / 1000)
  loss = result.loss
}
const median = times.slice(1).sort((a, b) => a - b)[Math.floor((steps - 1) / 2)]
const round = (x, digits) => Number(x.toFixed(digits))
console.log(
  JSON.stringify({
    peer: 'qlora',
    ...device.info,
    dtype,
    seq,
    batch,
    tok_s: round(tokens / median, 1),
    step_s: round(median, 2),
    peak_rss_gib: round(process.resourceUsage().maxRSS / 2 ** 20, 2),
    tensors_gib: round(device.memoryStats().peak / 2 ** 30, 2),
    loss: round(loss, 4),
  }),
)
