// Runs operations of every kind on fixed inputs and prints their results, base64 by name, and the instruction set.
// Started by isa.test.ts with QLORA_ISA in the environment: the addon reads it once, when the device is opened.
import { Buffer } from 'node:buffer'
import { createRequire } from 'node:module'
import process from 'node:process'

const native = createRequire(import.meta.url)(process.env.QLORA_ADDON ?? '../../build/Release/qlora.node')
const cpu = native.open_device('cpu')
const results = {}

const empty = (shape, dtype = 'float32') => native.tensor_empty(cpu, dtype, shape)
function ints(values) {
  const t = empty([values.length], 'int32')
  native.tensor_write(t, new Uint8Array(Int32Array.from(values).buffer))
  return t
}
function floats(values) {
  const t = empty([values.length])
  native.tensor_write(t, new Uint8Array(Float32Array.from(values).buffer))
  return t
}
let stream = 0
/** Normal numbers made from Philox words, whose bits do not depend on the instruction set; see `random_normal`. */
function normal(shape, dtype = 'float32') {
  const words = empty(shape)
  native.random_uniform(words, -1.7, 1.7, 1, stream++)
  const t = empty(shape, dtype)
  native.copy(words, t)
  return t
}
async function keep(name, t) {
  results[name] = Buffer.from(await native.tensor_read(t)).toString('base64')
}
async function keepFloats(name, t, shape) {
  const wide = empty(shape)
  native.copy(t, wide)
  await keep(name, wide)
}

const map = floats(Array.from({ length: 256 }, (_, i) => ((i - 127) / 128) ** 3))

async function layers(dtype) {
  const [rows, cols] = [13, 133]
  const shape = [rows, cols]
  const [x, y, z] = [normal(shape, dtype), normal(shape, dtype), normal(shape, dtype)]
  const weight = normal([cols], dtype)
  const rstd = empty([rows])
  const [a, b, c, d] = [0, 1, 2, 3].map(() => empty(shape, dtype))
  native.rms_norm_forward(x, weight, a, rstd, 1e-5, 0, true)
  native.rms_norm_backward(y, x, weight, rstd, z, b, undefined, 0)
  await keepFloats(`rms_norm_forward ${dtype}`, a, shape)
  await keepFloats(`rms_norm_backward ${dtype}`, b, shape)
  native.swiglu_forward(x, y, a)
  native.swiglu_backward(z, x, y, c, d, undefined)
  await keepFloats(`swiglu_forward ${dtype}`, a, shape)
  await keepFloats(`swiglu_backward gate ${dtype}`, c, shape)
  await keepFloats(`swiglu_backward up ${dtype}`, d, shape)
  native.dropout(x, a, 0.3, 5, 6, 7)
  await keepFloats(`dropout ${dtype}`, a, shape)
  const frequency = empty([19])
  native.random_uniform(frequency, 0, 1, 2, 2)
  const positions = ints(Array.from({ length: rows }, (_, i) => i * 37))
  const heads = [rows, 3 * 38]
  const q = normal(heads, dtype)
  native.rope(q, positions, frequency, q, 38, 1, false)
  await keepFloats(`rope ${dtype}`, q, heads)
  const stats = empty([4])
  native.fill(stats, 0)
  const labels = ints(Array.from({ length: rows }, (_, i) => (i % 4 ? i : -100)))
  native.cross_entropy(x, labels, undefined, stats, undefined, undefined, b, 1, 0, false, 0)
  await keep(`cross_entropy ${dtype}`, stats)
  await keepFloats(`cross_entropy gradient ${dtype}`, b, shape)
  const norm = empty([1])
  native.global_norm([x, y, z], norm)
  native.clip_by_norm([x, y, z], norm, 1)
  await keep(`global_norm ${dtype}`, norm)
  await keepFloats(`clip_by_norm ${dtype}`, x, shape)
  const [average, square] = [empty(shape), empty(shape)]
  native.fill(average, 0)
  native.fill(square, 0)
  native.adamw([x], [y], [average], [square], norm, 1, 1e-2, 0.9, 0.999, 1e-8, 0.1, 1)
  await keepFloats(`adamw ${dtype}`, x, shape)
  native.lion([x], [y], [average], norm, 1, 1e-2, 0.9, 0.99, 0.1)
  await keepFloats(`lion ${dtype}`, x, shape)
  native.sgd([x], [y], [average], norm, 1, 1e-2, 0.9, 0, false, 0.1, false)
  await keepFloats(`sgd ${dtype}`, x, shape)
  const blocks = Math.ceil((rows * cols) / 256)
  const coded = [empty(shape, 'uint8'), empty([blocks]), empty(shape, 'uint8'), empty([blocks])]
  for (const t of coded) native.fill(t, 0)
  const state = coded.map((t) => [t])
  native.adamw_8bit([x], [y], ...state, map, map, norm, 1, 1e-2, 0.9, 0.999, 1e-8, 0.1, 1)
  await keepFloats(`adamw_8bit ${dtype}`, x, shape)
  await keep(`codes adamw_8bit ${dtype}`, coded[0])
  native.lion_8bit([x], [y], state[0], state[1], map, norm, 1, 1e-2, 0.9, 0.99, 0.1)
  await keepFloats(`lion_8bit ${dtype}`, x, shape)
}

async function products(dtype) {
  const [m, k, n] = [37, 129, 67]
  const [a, b, out] = [normal([m, k], dtype), normal([k, n], dtype), empty([m, n], dtype)]
  native.matmul(a, b, out, false, false, 1, 0, dtype)
  await keepFloats(`matmul ${dtype}`, out, [m, n])
  const weight = normal([n, k])
  for (const type of ['nf4', 'fp4']) {
    const [codes, absmax] = [empty([Math.ceil((n * k) / 2)], 'uint8'), empty([Math.ceil((n * k) / 64)])]
    native.quantize_4bit(weight, codes, absmax, type, 64)
    await keep(`codes ${type}`, codes)
    const plain = [absmax]
    const [q, most, offset] = [
      empty([Math.ceil((n * k) / 64)], 'uint8'),
      empty([Math.ceil((n * k) / 4096)]),
      empty([1]),
    ]
    native.quantize_absmax(absmax, map, q, most, offset, 64)
    const dequantized = empty([n, k], dtype)
    native.dequantize_4bit(codes, plain, dequantized, type, 64, 0)
    await keepFloats(`dequantize_4bit ${type} ${dtype}`, dequantized, [n, k])
    const nested = [q, map, most, offset, 64]
    native.dequantize_4bit(codes, nested, dequantized, type, 64, 0)
    await keepFloats(`dequantize_4bit nested ${type} ${dtype}`, dequantized, [n, k])
    for (const rows of [1, m]) {
      const x = normal([rows, k], dtype)
      const y = empty([rows, n], dtype)
      native.matmul_4bit(x, codes, plain, y, n, k, type, 64, true, 1, 0, dtype, dtype)
      await keepFloats(`matmul_4bit ${type} ${dtype} ${rows}`, y, [rows, n])
      const dx = empty([rows, k], dtype)
      native.matmul_4bit(y, codes, plain, dx, n, k, type, 64, false, 1, 0, dtype, dtype)
      await keepFloats(`matmul_4bit transposed ${type} ${dtype} ${rows}`, dx, [rows, k])
    }
  }
}

async function eightBit(dtype) {
  const [m, k, n] = [37, 129, 67]
  const [x, weight] = [normal([m, k], dtype), normal([n, k], dtype)]
  const [codes, maxima] = [empty([n, k], 'int8'), empty([n])]
  native.quantize_8bit(weight, codes, maxima)
  await keep(`codes 8bit ${dtype}`, codes)
  await keep(`maxima 8bit ${dtype}`, maxima)
  native.dequantize_8bit(codes, maxima, weight)
  await keepFloats(`dequantize_8bit ${dtype}`, weight, [n, k])
  const [y, dx] = [empty([m, n], dtype), empty([m, k], dtype)]
  native.matmul_llm_int8(x, codes, maxima, undefined, y, 1.6, 0)
  await keepFloats(`matmul_llm_int8 ${dtype}`, y, [m, n])
  native.matmul_8bit(y, codes, maxima, dx, false, 1, 0, dtype)
  await keepFloats(`matmul_8bit ${dtype}`, dx, [m, k])
}

async function attention(dtype) {
  const tokens = 45
  const [wide, narrow] = [
    [tokens, 4 * 32],
    [tokens, 2 * 32],
  ]
  const [q, k, v] = [normal(wide, dtype), normal(narrow, dtype), normal(narrow, dtype)]
  const [out, lse, cu] = [empty(wide, dtype), empty([4, tokens]), ints([0, 7, tokens])]
  native.attention_forward(q, k, v, cu, cu, out, lse, 4, 2, 0.18, 0, 0, 0)
  await keepFloats(`attention ${dtype}`, out, wide)
  const [dq, dk, dv] = [empty(wide, dtype), empty(narrow, dtype), empty(narrow, dtype)]
  native.attention_backward(
    normal(wide, dtype),
    q,
    k,
    v,
    out,
    lse,
    cu,
    dq,
    dk,
    dv,
    4,
    2,
    0.18,
    0,
    0,
    0,
    false,
  )
  await keepFloats(`attention dq ${dtype}`, dq, wide)
  await keepFloats(`attention dk ${dtype}`, dk, narrow)
  await keepFloats(`attention dv ${dtype}`, dv, narrow)
}

async function main() {
  const drawn = empty([1000])
  native.random_normal(drawn, 0, 1, 3, 4)
  await keep('random_normal', drawn)
  for (const dtype of ['float32', 'bfloat16', 'float16']) {
    await layers(dtype)
    await products(dtype)
    await eightBit(dtype)
    await attention(dtype)
  }
  process.stdout.write(JSON.stringify({ info: native.device_info(cpu), results }))
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
