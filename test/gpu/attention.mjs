// Attention on a GPU against the CPU's, into poisoned outputs: as it is, where cuDNN computes it if that is found, and by the own
// kernels; lengths told and untold; each backward from the CPU's lse, which means the same everywhere; deterministic: equal bits twice.
// usage: node test/gpu/attention.mjs [own | default]     both at once without an argument
import { Buffer } from 'node:buffer'
import { spawn } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { int32, openDevices, output } from './support.mjs'

const mode = process.argv[2]
if (mode === undefined) {
  const ends = ['default', 'own'].map((name) => {
    const env = { ...process.env, ...(name === 'own' && { QLORA_ATTENTION: 'own' }) }
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), name], { env })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
    return new Promise((done) => {
      child.on('close', (code) => {
        console.log(text.replaceAll(/^/gm, `${name}: `))
        done(code)
      })
    })
  })
  process.exit((await Promise.all(ends)).every((code) => code === 0) ? 0 : 1)
}

const limits = {
  bfloat16: { out: 4e-3, gradient: 8e-3 },
  float16: { out: 5e-4, gradient: 1.5e-3 },
  float32: { out: 1e-5, gradient: 2e-5 },
}
const series = (n, f) => Array.from({ length: n }, (_, i) => f(i))
/** dtype, heads, key heads, head size, lengths, window, whether lengths are untold, too, soft cap of the scores */
const cases = [
  ['bfloat16', 8, 8, 128, [1], 0],
  ['bfloat16', 8, 2, 128, [2], 0],
  ['bfloat16', 8, 8, 128, [63], 0],
  ['bfloat16', 8, 2, 128, [65], 0],
  ['bfloat16', 8, 2, 64, [128], 0],
  ['bfloat16', 8, 1, 128, [65, 0, 1, 130], 0, true],
  ['float16', 8, 2, 128, [65, 0, 1, 130], 0],
  ['float16', 8, 1, 64, [200, 77], 50],
  ['bfloat16', 8, 2, 128, [200, 77], 50],
  ['bfloat16', 4, 2, 128, [384], 100],
  ['bfloat16', 8, 2, 128, [256, 256], 0, true],
  ['bfloat16', 32, 8, 128, [300, 512, 411, 377], 0],
  // The workspace makes the heads run in parts.
  ['bfloat16', 32, 8, 128, series(61, (i) => 50 + ((i * 37) % 101)), 0],
  ['bfloat16', 16, 8, 128, [3968, 3968], 0],
  ['bfloat16', 4, 1, 128, [4097], 0],
  ['bfloat16', 4, 1, 128, [4096], 1000],
  ['bfloat16', 4, 2, 80, [130, 40], 0],
  ['float32', 4, 2, 64, [65, 0, 1, 130], 0],
  ['bfloat16', 8, 2, 128, [200, 77], 0, false, 2],
  ['float16', 4, 4, 64, [65, 0, 1, 130], 50, true, 50],
  ['bfloat16', 4, 2, 256, [130, 40], 64, false, 5],
  ['float32', 4, 2, 256, [130, 40], 0, false, 5],
]

const { addon, devices, runOn, match, expectError, fail, finish } = openDevices()
const [cpu, gpu] = devices
let stream = 0
async function normal(shape, dtype) {
  const t = addon.tensor_empty(cpu, dtype, shape)
  addon.random_normal(t, 0, 1, 99, stream++)
  const bytes = new Uint8Array(await addon.tensor_read(t))
  addon.tensor_release(t)
  return { shape, dtype, bytes }
}
const same = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0
const summary = () => {
  const lines = addon.device_info(gpu).split('\n')
  return lines.filter((line) => line.startsWith('attention=')).join()
}

for (const [dtype, heads, kvHeads, headDim, lengths, window, untold = false, softcap = 0] of cases) {
  const shown = lengths.length > 6 ? `${lengths.length} sequences` : lengths
  const label = `${dtype} ${heads}/${kvHeads}x${headDim} [${shown}] w${window}${softcap ? ` cap ${softcap}` : ''}`
  const tokens = lengths.reduce((a, b) => a + b, 0)
  const longest = Math.max(...lengths)
  const [rows, keyRows] = [
    [tokens, heads * headDim],
    [tokens, kvHeads * headDim],
  ]
  const cu = int32(lengths.reduce((ends, n) => [...ends, ends.at(-1) + n], [0]))
  const more = [heads, kvHeads, headDim ** -0.5, window, softcap]
  const limit = limits[dtype]
  try {
    const [q, dout] = [await normal(rows, dtype), await normal(rows, dtype)]
    const [k, v] = [await normal(keyRows, dtype), await normal(keyRows, dtype)]
    const [out, lse] = [output(rows, dtype), output([heads, tokens], 'float32')]
    const forward = (device, length) =>
      runOn(device, 'attention_forward', [q, k, v, cu, cu, out, lse, ...more, length])
    const expected = await forward(cpu, longest)
    for (const length of untold ? [longest, 0] : [longest]) {
      const tolerance = [
        [out, limit.out],
        [lse, 1e-4],
      ]
      match('attention_forward', `${label} ${length}`, expected, await forward(gpu, length), tolerance)
    }

    const made = (arg) => ({
      shape: arg.shape,
      dtype: arg.dtype,
      bytes: new Uint8Array(expected.get(arg)),
    })
    const [o, l] = [made(out), made(lse)]
    const gradients = [output(rows, dtype), output(keyRows, dtype), output(keyRows, dtype)]
    const backward = (device, length, deterministic) =>
      runOn(device, 'attention_backward', [
        ...[dout, q, k, v, o, l, cu, ...gradients],
        ...[...more, length, deterministic],
      ])
    const wanted = await backward(cpu, longest, true)
    const tolerance = gradients.map((t) => [t, limit.gradient])
    // Of one token dq and dk are 0 but for rounding.
    const floor = tokens === 1 ? 1 : 0
    for (const [length, deterministic] of [
      [longest, false],
      [longest, true],
      ...(untold ? [[0, false]] : []),
    ]) {
      const how = `${label} ${length} ${deterministic ? 'deterministic' : ''}`
      const got = await backward(gpu, length, deterministic)
      match('attention_backward', how, wanted, got, tolerance, floor)
      if (!deterministic) continue
      const again = await backward(gpu, length, deterministic)
      if (!gradients.every((t) => same(got.get(t), again.get(t)))) fail(`${how}: two runs differ`)
    }
  } catch (error) {
    fail(`${label}: ${error.message}`)
  }
  if (summary().includes('refusal')) console.log(`after ${label}: ${summary()}`)
}

const x = await normal([4, 128], 'bfloat16')
const ends = int32([0, 1, 4])
const results = [output([4, 128], 'bfloat16'), output([1, 4], 'float32')]
await expectError(
  'attention_forward',
  [x, x, x, ends, ends, ...results, 1, 1, 1, 0, 0, 2],
  'sequence 1 has 3 tokens, more than max_length 2',
)
console.log(summary())
finish('attention')
