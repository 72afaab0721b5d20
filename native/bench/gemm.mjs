// Speed of matrix products on this machine: node native/bench/gemm.mjs [part of a name]. The shapes are those of a
// SmolLM2-135M step with 1024 tokens and of decoding. Addon: QLORA_ADDON or build/Release/qlora.node; QLORA_ISA and
// QLORA_NO_BF16 lower the instruction set.
import { addon, device, random, seconds } from './support.mjs'

const wanted = process.argv[2] ?? ''

async function report(name, multiplyAdds, call) {
  if (!name.includes(wanted)) return
  const time = await seconds(call, 30)
  const speed = ((2 * multiplyAdds) / time / 1e9).toFixed(0)
  console.log(`${name.padEnd(58)} ${(time * 1e6).toFixed(0).padStart(8)} us ${speed.padStart(6)} GFLOP/s`)
}

/** x [m, k] with a dense weight: 'NT' is x @ W^T, 'NN' x @ W, 'TN' x^T @ W as in a weight's gradient. */
async function dense(what, dtype, [m, n, k], layout, { beta = 0, out = dtype } = {}) {
  const [ta, tb] = [layout[0] === 'T', layout[1] === 'T']
  const [a, b] = [random(ta ? [k, m] : [m, k], dtype), random(tb ? [n, k] : [k, n], dtype)]
  const c = random([m, n], out)
  await report(`${what} ${dtype} ${layout} ${m} x ${n} x ${k}`, m * n * k, () =>
    addon.matmul(a, b, c, ta, tb, 1, beta, dtype),
  )
}

/** `nested`: with double-quantized maxima. */
async function fourBit(what, dtype, m, [rows, cols], transpose, { beta = 0, nested = false } = {}) {
  const codes = addon.tensor_empty(device, 'uint8', [(rows * cols) / 2])
  const absmax = addon.tensor_empty(device, 'float32', [(rows * cols) / 64])
  addon.quantize_4bit(random([rows, cols], 'float32'), codes, absmax, 'nf4', 64)
  let maxima = [absmax]
  if (nested) {
    const blocks = (rows * cols) / 64
    const [q, map] = [addon.tensor_empty(device, 'uint8', [blocks]), random([256], 'float32')]
    const [most, offset] = [[Math.ceil(blocks / 256)], [1]].map((n) => addon.tensor_empty(device, 'float32', n))
    addon.quantize_absmax(absmax, map, q, most, offset, 256)
    maxima = [q, map, most, offset, 256]
  }
  const x = random([m, transpose ? cols : rows], dtype)
  const out = random([m, transpose ? rows : cols], dtype)
  const name = `${what} ${dtype} nf4${nested ? ' nested' : ''} ${m} x ${transpose ? 'W^T' : 'W'} [${rows}, ${cols}]`
  const args = [rows, cols, 'nf4', 64, transpose, 1, beta, dtype, dtype]
  await report(name, m * rows * cols, () => addon.matmul_4bit(x, codes, maxima, out, ...args))
}

console.log(addon.device_info(device).replaceAll('\n', ', '))
for (const dtype of ['float32', 'bfloat16']) {
  for (const w of [
    [576, 576],
    [192, 576],
    [1536, 576],
    [576, 1536],
  ]) {
    await fourBit('forward', dtype, 1024, w, true)
    await fourBit('forward', dtype, 1024, w, true, { nested: true })
    await fourBit('backward', dtype, 1024, w, false, { beta: 1 })
  }
  await dense('dense', dtype, [1024, 576, 576], 'NT')
  await dense('dense', dtype, [1024, 1536, 576], 'NT')
  await dense('dense', dtype, [1024, 576, 1536], 'NN', { beta: 1 })
  await dense('head', dtype, [256, 49152, 576], 'NT', { out: 'float32' })
  await dense('lora A', dtype, [1024, 16, 576], 'NT')
  await dense('lora B', dtype, [1024, 576, 16], 'NT', { beta: 1 })
  await dense('lora dx', dtype, [1024, 576, 16], 'NN', { beta: 1 })
  await dense('lora dA', dtype, [16, 576, 1024], 'TN', { beta: 1, out: 'float32' })
  await dense('lora dB', dtype, [576, 16, 1024], 'TN', { beta: 1, out: 'float32' })
  for (const m of [1, 4, 8, 16]) await fourBit('decode', dtype, m, [1536, 576], true)
  await fourBit('decode', dtype, 1, [1536, 576], true, { nested: true })
  await dense('decode head', dtype, [1, 49152, 576], 'NT')
  await dense('tiny', dtype, [60, 64, 64], 'NT')
}
