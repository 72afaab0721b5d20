// LLM.int8 on 'cpu' and on a GPU with the same inputs, at odd sizes and at sizes for the tensor cores, into poisoned outputs, compared by
// the Frobenius ratio. Exit code 1 when one is out of tolerance.
// usage: node FILE     QLORA_ADDON: the addon, QLORA_TEST_DEVICE: default cuda:0
import { floats, openDevices, output, random, tensor, uniform } from './support.mjs'

const { compare, finish } = openDevices()

/** Normal numbers with an outlier here and there, and a row of zeros. */
function activations([rows, cols], dtype) {
  const x = random([rows, cols], 'float32')
  const values = new Float32Array(x.bytes.buffer)
  for (let i = 0; i < values.length / 500; i++) values[Math.floor(uniform() * values.length)] *= 10
  if (rows > 2) values.fill(0, cols, 2 * cols)
  return tensor(values, [rows, cols], dtype)
}
const weightCodes = (shape) =>
  tensor(
    Int8Array.from({ length: shape[0] * shape[1] }, () => Math.floor(uniform() * 255) - 127),
    shape,
    'int8',
  )
const weightMaxima = (rows) =>
  tensor(
    Float32Array.from({ length: rows }, () => 0.1 + uniform()),
    [rows],
    'float32',
  )

for (const dtype of floats)
  for (const shape of [
    [1, 1],
    [3, 65],
    [67, 4097],
    [128, 256],
  ]) {
    const label = `${shape.join('x')} ${dtype}`
    await compare(
      'quantize_8bit',
      label,
      [activations(shape, dtype), output(shape, 'int8'), output([shape[0]], 'float32')],
      0,
    )
    await compare(
      'dequantize_8bit',
      label,
      [weightCodes(shape), weightMaxima(shape[0]), output(shape, dtype)],
      0,
    )
  }

// Sums of outliers in another order; in 16 bits a number that lies between two is then rounded the other way.
const close = { float32: 2e-6, bfloat16: 3e-3, float16: 5e-4 }
for (const dtype of floats)
  for (const [m, k, n] of [
    [1, 64, 48],
    [3, 65, 33],
    [67, 130, 66],
    [64, 128, 256],
    [2056, 256, 512],
    [0, 4, 4],
  ]) {
    const label = `${m}x${k}x${n} ${dtype}`
    const [codes, maxima, bias] = [weightCodes([n, k]), weightMaxima(n), random([n], dtype)]
    for (const threshold of [0, 6]) {
      const x = activations([m, k], dtype)
      // Without outliers the sums are exact and each step is rounded alike.
      const limit = threshold === 0 ? 0 : close[dtype]
      const fresh = output([m, n], dtype)
      await compare(
        'matmul_llm_int8',
        `${label} ${threshold}`,
        [x, codes, maxima, bias, fresh, threshold, 0],
        [[fresh, limit]],
      )
      const added = random([m, n], dtype)
      await compare(
        'matmul_llm_int8',
        `${label} ${threshold} accumulates`,
        [x, codes, maxima, undefined, added, threshold, 1],
        [[added, limit]],
      )
    }
    for (const [transpose, from, to] of [
      [true, k, n],
      [false, n, k],
    ]) {
      const out = output([m, to], dtype)
      await compare(
        'matmul_8bit',
        `${label} ${transpose}`,
        [random([m, from], dtype), codes, maxima, out, transpose, 1, 0, dtype],
        [[out, close[dtype]]],
      )
    }
  }

finish('8-bit quantization')
