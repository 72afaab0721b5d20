// Optimizers with their state in pages on the host give weights and state the same bits as those that keep it on the GPU, and state comes
// back from a file as it was. Exit code 1 when not. usage: node paging.mjs     QLORA_ADDON: the addon, QLORA_TEST_DEVICE: default cuda:0
import { Buffer } from 'node:buffer'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const require = createRequire(import.meta.url)
const from = (name) => require(join(root, 'dist', `${name}.js`))
const { Device, TrainingArguments } = from('index')
const { Parameter } = from('nn/parameter')
const { gradNorm } = from('optim/clip')
const { createOptimizer } = from('optim/create')
const { SafetensorsFile } = from('files/safetensors')
const { readInto, save_safetensors } = from('tensor/safetensors')
const device = Device.get(process.env['QLORA_TEST_DEVICE'] ?? 'cuda:0')
const folder = mkdtempSync(join(tmpdir(), 'qlora-paging-'))
const random = (t, seed) => from('native/addon').addon().random_normal(t.handle, 0, 1, seed, 0)

/** Several pages, the first too large for its size; a tensor without a gradient at first; tensors too small to be paged. */
const sizes = [20e6, 100_001, 7, 131_072, 99_999, 6e6, 4e6, 200_000]

let failures = 0
function fail(text) {
  failures++
  console.log(`FAIL ${text}`)
}

async function train(optim) {
  const parameters = sizes.map((n, i) => new Parameter(`${i}.weight`, device.empty([n], 'float32')))
  parameters.forEach((p, i) => random(p.data, i + 1))
  const optimizer = createOptimizer(parameters, new TrainingArguments({ optim, bf16: true }))
  for (const step of [1, 2, 3, 4]) {
    for (const p of step > 1 ? parameters : parameters.slice(0, -1))
      random(p.gradient(), 100 * step + p.numel)
    const norm = gradNorm(parameters)
    optimizer.step(0.01, { norm, max_norm: 1 })
    norm.dispose()
    optimizer.zeroGrad()
  }
  const made = [...parameters.map((p) => [p.name, p.data]), ...Object.entries(optimizer.stateTensors())]
  const bytes = new Map()
  for (const [name, t] of made) bytes.set(name, await t.bytes())
  // Through a file and back, as a checkpoint's state comes.
  const file = join(folder, 'state.safetensors')
  await save_safetensors(file, optimizer.stateTensors())
  const restored = createOptimizer(parameters, new TrainingArguments({ optim, bf16: true }))
  const stored = await SafetensorsFile.open(file)
  for (const [name, t] of Object.entries(restored.restore(4))) {
    const { offset } = stored.tensors.get(name)
    await readInto(t, file, offset)
    if (Buffer.compare(await t.bytes(), bytes.get(name)) !== 0) fail(`${optim}: ${name} read from a file`)
  }
  await stored.close()
  restored.dispose()
  optimizer.dispose()
  for (const p of parameters) p.dispose()
  return bytes
}

for (const [paged, plain] of [
  ['paged_adamw_32bit', 'adamw_torch'],
  ['paged_adamw_8bit', 'adamw_8bit'],
  ['paged_lion_32bit', 'lion_32bit'],
  ['paged_lion_8bit', 'lion_8bit'],
]) {
  const [some, expected] = [await train(paged), await train(plain)]
  const differing = [...expected].filter(([name, bytes]) => Buffer.compare(bytes, some.get(name)) !== 0)
  if (differing.length > 0) fail(`${paged}: ${differing[0][0]} differs`)
  else console.log(`${paged}: the same bits as ${plain}`)
}
rmSync(folder, { recursive: true })
process.exit(failures ? 1 : 0)
