// Operations of a recording that a GPU joins into one launch, or starts while the one before ends: the same bits as one after another.
// Exit code 1 when they differ.
// usage: node FILE     QLORA_TEST_DEVICE: default cuda:0
import process from 'node:process'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'

const require = createRequire(import.meta.url)
const from = (name) => require(resolve(import.meta.dirname, '../../dist', `${name}.js`))
const { Device } = from('tensor/device')
const { Tensor } = from('tensor/tensor')
const { Recording } = from('tensor/recording')
const { addon } = from('native/addon')
const device = Device.get(process.env.QLORA_TEST_DEVICE ?? 'cuda:0')

let state = 1
const uniform = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
const floats = (shape, dtype) => {
  const n = shape.reduce((a, b) => a * b, 1)
  const whole = Tensor.from(
    Float32Array.from({ length: n }, () => uniform() * 2 - 1),
    { device, shape },
  )
  const out = device.empty(shape, dtype)
  addon().copy(whole.handle, out.handle)
  return out
}
const ints = (values) => Tensor.from(Int32Array.from(values), { device })
const bytes = (n) => {
  const t = device.empty([n], 'uint8')
  t.write(Uint8Array.from({ length: n }, () => Math.floor(uniform() * 256)))
  return t
}
const matrix = (rows, cols) => ({
  rows,
  codes: bytes((rows * cols) / 2),
  // absmax, code_map, nested_absmax, offset, nested_blocksize
  maxima: [
    bytes((rows * cols) / 64).handle,
    floats([256], 'float32').handle,
    floats([Math.ceil((rows * cols) / 64 / 256)], 'float32').handle,
    floats([1], 'float32').handle,
    256,
  ],
})

let failures = 0
for (const tokens of [1, 3, 8, 17])
  for (const hidden of [256, 576, 2048]) {
    const [heads, kvHeads, headDim] = [hidden / 64, 1, 64]
    const x = floats([tokens, hidden], 'bfloat16')
    const residual = floats([tokens, hidden], 'bfloat16')
    const weight = floats([hidden], 'bfloat16')
    const positions = ints(Array.from({ length: tokens }, (_, i) => 7 * i))
    const places = ints(Array.from({ length: tokens }, (_, i) => 2 * i + 1))
    const frequencies = floats([headDim / 2], 'float32')
    const projections = [heads * headDim, kvHeads * headDim, kvHeads * headDim].map((rows) =>
      matrix(rows, hidden),
    )
    const output = matrix(hidden, heads * headDim)
    const empty = (shape, dtype = 'bfloat16') => {
      const t = device.empty(shape, dtype)
      t.write(new Uint8Array(t.nbytes).fill(0))
      return t
    }
    const run = (wrap) => {
      const made = {
        norm: empty([tokens, hidden]),
        rstd: empty([tokens], 'float32'),
        q: empty([tokens, heads * headDim]),
        k: empty([tokens, kvHeads * headDim]),
        v: empty([tokens, kvHeads * headDim]),
        keys: empty([2 * tokens, kvHeads * headDim]),
        values: empty([2 * tokens, kvHeads * headDim]),
        y: empty([tokens, hidden]),
        last: empty([tokens, hidden]),
        largest: empty([tokens], 'int32'),
      }
      const h = Object.fromEntries(Object.entries(made).map(([name, t]) => [name, t.handle]))
      const product = (from, { rows, codes, maxima }, to, cols) =>
        addon().matmul_4bit(
          ...[from, codes.handle, maxima, to, rows, cols, 'nf4', 64, true, 1, 0, 'bfloat16', 'bfloat16'],
        )
      const rope = (t) => addon().rope(t, positions.handle, frequencies.handle, t, headDim, 1, false)
      const body = () => {
        addon().rms_norm_forward(x.handle, weight.handle, h.norm, h.rstd, 1e-5, 0, true)
        projections.forEach((p, i) => product(h.norm, p, [h.q, h.k, h.v][i], hidden))
        rope(h.q)
        rope(h.k)
        addon().scatter_rows(h.k, places.handle, h.keys)
        addon().scatter_rows(h.v, places.handle, h.values)
        product(h.q, output, h.y, heads * headDim)
        addon().add(residual.handle, h.y, h.y, 0.5)
        addon().rms_norm_forward(h.y, weight.handle, h.last, h.rstd, 1e-5, 0, true)
        addon().argmax_rows(h.last, h.largest)
        addon().add(h.last, h.last, h.last, 1) // nothing comes behind it to be joined with
      }
      wrap(body)
      return made
    }
    const plain = run((body) => body())
    const recorded = run((body) => {
      const recording = new Recording(device, body)
      recording.replay()
      recording.replay()
    })
    for (const name of Object.keys(plain)) {
      const [a, b] = await Promise.all([plain[name].bytes(), recorded[name].bytes()])
      if (Buffer.compare(a, b) === 0 && a.some((byte) => byte !== 0)) continue
      failures++
      console.log(`FAIL ${tokens} x ${hidden}: ${name} differs, or is nothing but zeros`)
    }
  }
console.log(failures === 0 ? 'recordings ok' : `${failures} FAILURES`)
process.exit(failures === 0 ? 0 : 1)
