// Training ours beside transformers + peft + bitsandbytes (parity_peer.py) on one GPU: a 2-layer Llama of the 8B's shapes with random
// weights, NF4 with double quantization, bfloat16, r = 16 on all linear layers. The same checkpoint, adapter and 8 sequences. Prints
// how far apart 4-bit weights, first loss, first gradients and the losses of 100 steps are. Exit code 1: out of tolerance.
// usage: node parity.mjs [--device cuda:0] [--layers 2] [--hidden 4096] [--inner 14336] [--vocab 32000] [--longest 512] [--steps 100]
//        [--lr 1e-4] [--out FOLDER] [--dist ../../dist] [--python python3]
// Files are in --out: results.json, the losses and gradients of both (ours/, peer/).
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const option = (value) => ({ type: 'string', default: value })
const { values } = parseArgs({
  options: {
    dist: option(resolve(import.meta.dirname, '../../dist')),
    device: option('cuda:0'),
    layers: option('2'),
    hidden: option('4096'),
    inner: option('14336'),
    vocab: option('32000'),
    longest: option('512'),
    steps: option('100'),
    lr: option('1e-4'),
    python: option(process.env['QLORA_PEER_PYTHON'] ?? 'python3'),
    out: option(join(tmpdir(), 'qlora-parity')),
  },
})
const limits = { loss: 2e-3, cosine: 0.999, meanLoss: 1e-2 }
const maxNorm = 0.3
const out = resolve(values.out)
const path = (...parts) => join(out, ...parts)
const [steps, lr] = [Number(values.steps), Number(values.lr)]

const require = createRequire(import.meta.url)
const from = (name) => require(resolve(values.dist, `${name}.js`))
const { AutoModelForCausalLM, BitsAndBytesConfig, LoraConfig, PeftModel, get_peft_model, AdamW } =
  from('index')
const { load_safetensors, save_safetensors } = from('index')
const { packInputs } = from('models/padding')
const { runPass } = from('models/pass')
const { gradNorm } = from('optim/clip')

function peer(what, args) {
  const script = join(import.meta.dirname, 'parity_peer.py')
  const device = ['--device', values.device]
  const { status, error } = spawnSync(values.python, [script, what, out, ...device, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, HF_HUB_OFFLINE: '1' },
  })
  if (status !== 0) throw new Error(`parity_peer.py ${what} failed: ${error?.message ?? `status ${status}`}`)
}

/** 8 rows, half to all of `longest` long. A token mostly follows from the one before it, so that there is something to learn. */
function makeRows(longest, vocab) {
  let state = 1
  const below = (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  const known = Math.min(1000, vocab)
  const ids = Array.from({ length: known }, () => below(vocab))
  const follower = Array.from({ length: known }, () => below(known))
  return Array.from({ length: 8 }, (_, row) => {
    let at = below(known)
    return Array.from({ length: Math.round((longest * (8 + row)) / 15) }, () => {
      at = below(4) === 0 ? below(known) : follower[at]
      return ids[at]
    })
  })
}

function load(dtype) {
  return AutoModelForCausalLM.from_pretrained(path('model'), {
    dtype,
    device_map: values.device,
    quantization_config: new BitsAndBytesConfig({
      load_in_4bit: true,
      bnb_4bit_quant_type: 'nf4',
      bnb_4bit_use_double_quant: true,
      bnb_4bit_compute_dtype: dtype,
    }),
  })
}

async function saveGradients(model, name) {
  const grads = Object.fromEntries(model.named_parameters().map(([key, { grad }]) => [key, grad]))
  await save_safetensors(path('ours', `${name}.safetensors`), grads)
}

async function saveWeights(base) {
  const tensors = {}
  for (const { name, get } of base.linearSlots()) {
    if (name === 'lm_head') continue
    const { codes, absmax } = get().weight
    tensors[`${name}.codes`] = codes
    tensors[`${name}.absmax`] = absmax.q
    tensors[`${name}.nested_absmax`] = absmax.absmax
    tensors[`${name}.offset`] = absmax.offset
  }
  await save_safetensors(path('ours/weights.safetensors'), tensors)
}

/** One step with everything in float32. */
async function exactStep(batch) {
  const model = await PeftModel.from_pretrained(await load('float32'), path('adapter'))
  const { lossSum, numTargets } = await runPass(model.base_model, batch)
  await saveGradients(model, 'gradients-float32')
  model.dispose()
  return lossSum / numTargets
}

async function train(batch) {
  const base = await load('bfloat16')
  await saveWeights(base)
  const fresh = new LoraConfig({
    ...{ r: 16, lora_alpha: 16, lora_dropout: 0, target_modules: 'all-linear', task_type: 'CAUSAL_LM' },
    init_lora_weights: false, // B is random too: no gradient is 0
  })
  const first = get_peft_model(base, fresh)
  await first.save_pretrained(path('adapter'))
  first.unload()
  const model = await PeftModel.from_pretrained(base, path('adapter'))
  const optimizer = new AdamW(model.parameters())
  const [losses, norms] = [[], []]
  for (let step = 0; step < steps; step++) {
    const { lossSum, numTargets } = await runPass(base, batch, { autocast: 'bfloat16' })
    losses.push(lossSum / numTargets)
    if (step === 0) await saveGradients(model, 'gradients')
    const norm = gradNorm(model.parameters())
    optimizer.step(lr, { norm, max_norm: maxNorm })
    norms.push(await norm.item())
    norm.dispose()
    optimizer.zeroGrad()
  }
  const device = base.device.info.name ?? base.device.name
  optimizer.dispose()
  model.dispose()
  return { device, losses, norms }
}

const numbers = async (file) => {
  const entries = Object.entries(await load_safetensors(path(file)))
  return new Map(await Promise.all(entries.map(async ([key, tensor]) => [key, await tensor.data()])))
}

function pairs(a, b) {
  const missing = [...a.keys()].filter((key) => !b.has(key))
  if (missing.length > 0 || a.size !== b.size)
    throw new Error(`other tensors: ${a.size} and ${b.size}, the second lacks ${missing.slice(0, 3)}`)
  return [...a].map(([key, x]) => [key, x, b.get(key)])
}

/** The gradients of two files: the least cosine and the largest ||a - b|| / ||b||, each with its tensor. */
async function compareGradients(fileA, fileB) {
  const rows = pairs(await numbers(fileA), await numbers(fileB)).map(([name, a, b]) => {
    let [ab, aa, bb, dd] = [0, 0, 0, 0]
    for (let i = 0; i < b.length; i++) {
      ab += a[i] * b[i]
      aa += a[i] * a[i]
      bb += b[i] * b[i]
      dd += (a[i] - b[i]) ** 2
    }
    const short = name.replace('base_model.model.model.', '').replace('.weight', '')
    return { name: short, cosine: ab / Math.sqrt(aa * bb), relative: Math.sqrt(dd / bb) }
  })
  // A NaN is the worst of all.
  const order = (x) => (Number.isNaN(x) ? -Infinity : x)
  const least = (of) => rows.reduce((x, y) => (order(of(y)) < order(of(x)) ? y : x))
  return { tensors: rows.length, cosine: least((row) => row.cosine), relative: least((row) => -row.relative) }
}

/** How many elements of codes, of scales' codes, of their float32 scales and of the offsets differ. */
async function compareWeights() {
  const differing = {}
  for (const [name, a, b] of pairs(
    await numbers('ours/weights.safetensors'),
    await numbers('peer/weights.safetensors'),
  )) {
    const kind = name.slice(name.lastIndexOf('.') + 1)
    const of = (differing[kind] ??= { differing: 0, of: 0 })
    of.of += b.length
    if (Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0) continue
    for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) of.differing++
  }
  return differing
}

rmSync(out, { recursive: true, force: true })
mkdirSync(path('ours'), { recursive: true })
const clock = performance.now()
const seconds = () => Number(((performance.now() - clock) / 1000).toFixed(1))
const sizes = ['layers', 'hidden', 'inner', 'vocab'].flatMap((key) => [`--${key}`, values[key]])
peer('make', sizes)
const times = { make_s: seconds() }
const rows = makeRows(Number(values.longest), Number(values.vocab))
writeFileSync(path('batches.json'), JSON.stringify(rows))
const batch = packInputs({ input_ids: rows, labels: rows }).packed
const ours = await train(batch)
ours.loss_float32 = await exactStep(batch)
writeFileSync(path('ours/losses.json'), JSON.stringify(ours))
times.ours_s = Number((seconds() - times.make_s).toFixed(1))
peer('train', ['--steps', values.steps, '--lr', values.lr, '--max-norm', String(maxNorm)])
const theirs = JSON.parse(readFileSync(path('peer/losses.json'), 'utf8'))
times.total_s = seconds()

/** Mean and largest |a - b|; NaN when there is one. */
function apart(a, b) {
  const differences = a.map((loss, i) => Math.abs(loss - b[i]))
  return { mean: differences.reduce((x, y) => x + y, 0) / differences.length, max: Math.max(...differences) }
}
const loss = {
  first: [ours.losses[0], theirs.losses[0]],
  last: [ours.losses.at(-1), theirs.losses.at(-1)],
  float32: [ours.loss_float32, theirs.loss_float32],
  first_difference: Math.abs(ours.losses[0] - theirs.losses[0]),
  ours_peer: apart(ours.losses, theirs.losses),
  ours_eager: apart(ours.losses, theirs.losses_eager),
  peer_eager: apart(theirs.losses, theirs.losses_eager),
  first_norm: [ours.norms[0], theirs.norms[0]],
}
const file = (who, exact) => `${who}/gradients${exact ? '-float32' : ''}.safetensors`
const gradients = {
  ours_peer: await compareGradients(file('ours'), file('peer')),
  ours_peer_float32: await compareGradients(file('ours', true), file('peer', true)),
  ours_float32: await compareGradients(file('ours'), file('peer', true)),
  peer_float32: await compareGradients(file('peer'), file('peer', true)),
}
const weights = await compareWeights()
const checks = {
  codes: weights.codes.differing === 0,
  loss: loss.first_difference <= limits.loss,
  cosine: gradients.ours_peer.cosine.cosine > limits.cosine,
  curve: loss.ours_peer.mean < limits.meanLoss,
}
const shape = `${values.layers} layers, hidden ${values.hidden}, inner ${values.inner}, vocabulary ${values.vocab}`
const tokens = batch.input_ids.length
const versions = theirs.versions
writeFileSync(
  path('results.json'),
  JSON.stringify(
    {
      ours: ours.device,
      peer: theirs.device,
      versions,
      shape,
      tokens,
      steps,
      lr,
      loss,
      gradients,
      weights,
      checks,
      times,
    },
    null,
    1,
  ),
)

const exponent = (x) => x.toExponential(1)
const both = ([a, b]) => `${a.toFixed(5)} / ${b.toFixed(5)}`
const curve = ({ mean, max }) => `${exponent(mean)} / ${exponent(max)}`
const spread = ({ cosine, relative }) =>
  `1 - ${exponent(1 - cosine.cosine)} (${cosine.name}); ${exponent(relative.relative)} (${relative.name})`
const mismatch = Object.entries(weights).map(([key, n]) => `${key} ${n.differing} of ${n.of}`)
const verdict = (key, limit) => `${limit}: ${checks[key] ? 'ok' : 'FAIL'}`
const first = `${both(loss.first)}, apart ${exponent(loss.first_difference)}`
const table = [
  ['ours / transformers + peft + bitsandbytes', '', 'limit'],
  ['---', '---', '---'],
  ['4-bit weights: elements that differ', mismatch.join(', '), verdict('codes', 'codes 0')],
  ['loss of step 1', first, verdict('loss', '2e-3')],
  ['the same in float32', both(loss.float32), ''],
  [`loss of step ${steps}`, both(loss.last), ''],
  ['gradient norm of step 1', both(loss.first_norm), ''],
  [`losses of ${steps} steps apart: mean / max`, curve(loss.ours_peer), verdict('curve', 'mean 1e-2')],
  ['the same, the peer with eager attention', curve(loss.ours_eager), ''],
  ['the same, the peer and itself with eager attention', curve(loss.peer_eager), ''],
  [
    'gradients of step 1: least cosine; distance',
    spread(gradients.ours_peer),
    verdict('cosine', 'cosine 0.999'),
  ],
  ['the same, both in float32', spread(gradients.ours_peer_float32), ''],
  ["the same, ours and the peer's float32", spread(gradients.ours_float32), ''],
  ['the same, the peer and its own float32', spread(gradients.peer_float32), ''],
]
const stack = Object.entries(versions).map((entry) => entry.join(' '))
console.log(`${ours.device} (peer: ${theirs.device}), ${new Date().toISOString().slice(0, 10)}; ${shape}`)
console.log(`${stack.join(', ')}; ${JSON.stringify(times)}`)
console.log(`${rows.length} sequences, ${tokens} tokens a step, lr ${lr}\n`)
for (const cells of table) console.log(`| ${cells.join(' | ')} |`)
console.log(`\nraw: ${path('results.json')}`)
process.exit(Object.values(checks).every(Boolean) ? 0 : 1)
