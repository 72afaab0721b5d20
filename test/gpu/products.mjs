// matrix products on 'cpu' and on a GPU with the same inputs, at odd sizes, into poisoned outputs, compared by the Frobenius
// ratio. Exit code 1 when one is out of tolerance.
// usage: node FILE     QLORA_ADDON: the addon, QLORA_TEST_DEVICE: default cuda:0
import { blockMaxima, floats, openDevices, output, packedCodes, random } from './support.mjs'

const { compare, finish } = openDevices()

const product = { float32: 2e-6, bfloat16: 2.2e-3, float16: 4e-4 }
// Adding to a 16-bit output, the GPU rounds the product and the sum, the CPU the sum only: 2.9e-3 apart for normal numbers.
const sum = { float32: 2e-6, bfloat16: 3.5e-3, float16: 5e-4 }
/** In a few numbers one that is rounded the other way weighs more. */
const limit = (table, { dtype, shape }) => table[dtype] * (shape[0] * shape[1] < 256 ? 1.5 : 1)
for (const [m, k, n] of [
  [1, 64, 64],
  [63, 65, 1],
  [65, 63, 67],
  [4097, 64, 33],
  [128, 256, 512],
  [0, 4, 4],
  [3, 0, 5],
]) {
  for (const a of floats)
    for (const b of floats)
      for (const operand of floats) {
        const to = [a, 'float32', b][(m + n) % 3]
        for (const [ta, tb, beta] of [
          [false, true, 0],
          [false, false, 1],
          [true, false, 0.5],
          [true, true, 0],
        ]) {
          const label = `${m}x${k}x${n} ${a} ${b} ${operand} -> ${to} ${ta} ${tb} ${beta}`
          const left = random(ta ? [k, m] : [m, k], a)
          const right = random(tb ? [n, k] : [k, n], b)
          const out = beta ? random([m, n], to) : output([m, n], to)
          await compare(
            'matmul',
            label,
            [left, right, out, ta, tb, 0.7, beta, operand],
            [[out, limit(beta ? sum : product, out)]],
          )
        }
      }
}
for (const dtype of ['bfloat16', 'float16'])
  for (const [m, k, n] of [
    [2048, 64, 1024],
    [1027, 96, 1032],
    [1100, 1032, 1024],
  ]) {
    const out = random([m, n], dtype)
    await compare(
      'matmul',
      `${m}x${k}x${n} ${dtype} accumulates`,
      [random([m, k], dtype), random([n, k], dtype), out, false, true, 1, 1, dtype],
      [[out, sum[dtype]]],
    )
  }
// The fused product of a few rows rounds the codes' values
// (0.9e-3 in bfloat16, 0.1e-3 in float16) where the CPU rounds weights (1.6e-3, 0.2e-3): to weight_dtype, and then to the operands'.
const roundings = { float32: 0, bfloat16: 1.8e-3, float16: 0.25e-3 }
const fewRows = (table, out, weight, operand) => {
  const weights = operand === 'float32' ? 0 : Math.hypot(roundings[operand], roundings[weight])
  return Math.max(2e-5, Math.hypot(limit(table, out), 1.4 * weights))
}
for (const [m, features, inputs] of [
  [1, 128, 64],
  [65, 67, 64],
  [63, 65, 63],
  [257, 96, 320],
]) {
  for (const dtype of floats)
    for (const weight of ['bfloat16', 'float16', 'float32'])
      for (const operand of floats)
        for (const transpose of [true, false]) {
          const n = features * inputs
          const packed = packedCodes(n)
          const maxima = blockMaxima(Math.ceil(n / 64))
          const x = random([m, transpose ? inputs : features], dtype)
          const out = random([m, transpose ? features : inputs], dtype)
          await compare(
            'matmul_4bit',
            `${m} ${features}x${inputs} ${dtype} ${weight} ${operand} ${transpose}`,
            [
              x,
              packed,
              maxima,
              out,
              features,
              inputs,
              'nf4',
              64,
              transpose,
              1.5,
              transpose ? 0 : 1,
              weight,
              operand,
            ],
            [
              [
                out,
                transpose && m < 33
                  ? fewRows(product, out, weight, operand)
                  : limit(transpose ? product : sum, out),
              ],
            ],
          )
        }
}
// A few rows, as in generation: the fused product, its neighbours, and sizes that it leaves to the other.
for (const m of [1, 2, 3, 5, 8, 9, 16, 17, 32, 33])
  for (const [features, inputs, quant_type, blocksize] of [
    [64, 64, 'nf4', 64],
    [67, 4096, 'nf4', 64],
    [67, 4128, 'nf4', 64],
    [33, 416, 'fp4', 32],
    [130, 2048, 'nf4', 4096],
    [1, 32, 'nf4', 128],
    [65, 63, 'nf4', 64],
    [40, 1000, 'fp4', 256],
  ])
    for (const [dtype, weight, operand] of [
      ['bfloat16', 'bfloat16', 'bfloat16'],
      ['float16', 'float16', 'float16'],
      ['float32', 'bfloat16', 'float16'],
      ['bfloat16', 'float32', 'bfloat16'],
      ['float32', 'float32', 'float32'],
    ])
      for (const odd of [false, true]) {
        const n = features * inputs
        const packed = packedCodes(n)
        const maxima = blockMaxima(Math.ceil(n / blocksize))
        const beta = m % 2
        const out = beta ? random([m, features], dtype) : output([m, features], dtype)
        const x = random([m, inputs], dtype)
        x.odd = odd
        packed.odd = odd && m > 4
        await compare(
          'matmul_4bit',
          `few ${m} ${features}x${inputs} ${quant_type}/${blocksize} ${dtype} ${weight} ${operand} ${odd}`,
          [
            x,
            packed,
            maxima,
            out,
            features,
            inputs,
            quant_type,
            blocksize,
            true,
            0.75,
            beta,
            weight,
            operand,
          ],
          [[out, fewRows(beta ? sum : product, out, weight, operand)]],
        )
      }
// Double-quantized maxima, restored inside the product.
for (const m of [1, 3, 8, 17, 65])
  for (const transpose of [true, false])
    for (const [features, inputs, blocksize, nested] of [
      [1, 1, 64, 256],
      [67, 4128, 64, 256],
      [67, 4096, 64, 256],
      [32, 256, 64, 256],
      [4112, 768, 64, 256],
      [33, 416, 32, 32],
      [65, 63, 64, 64],
      [130, 2048, 4096, 256],
    ])
      for (const [dtype, weight, operand] of [
        ['bfloat16', 'bfloat16', 'bfloat16'],
        ['float32', 'bfloat16', 'float16'],
        ['float32', 'float32', 'float32'],
      ]) {
        const maxima = blockMaxima(Math.ceil((features * inputs) / blocksize), nested)
        const beta = m % 2 && !transpose ? 1 : 0
        const shape = [m, transpose ? features : inputs]
        const out = beta ? random(shape, dtype) : output(shape, dtype)
        const x = random([m, transpose ? inputs : features], dtype)
        await compare(
          'matmul_4bit',
          `nested ${m} ${features}x${inputs} ${blocksize}/${nested} ${dtype} ${weight} ${operand} ${transpose}`,
          [
            ...[x, packedCodes(features * inputs), maxima, out, features, inputs, 'nf4', blocksize],
            ...[transpose, 0.75, beta, weight, operand],
          ],
          [[out, fewRows(beta ? sum : product, out, weight, operand)]],
        )
      }

finish('matrix products')
