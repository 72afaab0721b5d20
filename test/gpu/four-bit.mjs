// 4-bit quantization on 'cpu' and on a GPU with the same inputs, at odd sizes, into poisoned outputs, compared by the Frobenius
// ratio. Exit code 1 when one is out of tolerance.
// usage: node FILE     QLORA_ADDON: the addon, QLORA_TEST_DEVICE: default cuda:0
import { blockMaxima, floats, openDevices, output, packedCodes, random, tensor, uniform } from './support.mjs'

const { compare, finish } = openDevices()

for (const quant_type of ['nf4', 'fp4']) {
  for (const dtype of floats) {
    for (const [n, blocksize] of [
      [1, 64],
      [63, 32],
      [65, 64],
      [4097, 64],
      [4097, 4096],
      [100000, 128],
    ]) {
      const label = `${quant_type} ${dtype} ${n}/${blocksize}`
      const x = random([n], dtype)
      for (let i = 0; i < 64 && n > 1000; i++) x.bytes[i] = 0 // the start of a block is zeros
      const codes = output([Math.ceil(n / 2)], 'uint8')
      const absmax = output([Math.ceil(n / blocksize)], 'float32')
      // nf4 from bf16 must be bit-exact; elsewhere the approximate reciprocal moves a code now and then.
      const exact = quant_type === 'nf4' && dtype === 'bfloat16'
      await compare(
        'quantize_4bit',
        label,
        [x, codes, absmax, quant_type, blocksize],
        [[codes, exact ? 0 : quant_type === 'nf4' ? 2e-3 : 0.3]],
      )
      for (const nested of [0, 256, 32]) {
        const maxima = blockMaxima(Math.ceil(n / blocksize), nested)
        const args = [packedCodes(n), maxima, output([n], dtype), quant_type, blocksize, 0]
        await compare('dequantize_4bit', `${label} ${nested}`, args, 0)
        if (n !== 100000) continue
        const wide = [...args.slice(0, 2), output([100, 1024], dtype), quant_type, blocksize, 1000]
        await compare('dequantize_4bit', `${label} ${nested} wide`, wide, 0)
      }
    }
  }
}
const map = tensor(
  Array.from({ length: 256 }, (_, i) => (i < 255 ? ((i - 127) / 128) * Math.abs((i - 127) / 128) : 1)),
  [256],
  'float32',
)
for (const n of [1, 255, 257, 4097]) {
  const absmax = tensor(
    Array.from({ length: n }, () => uniform() * 2),
    [n],
    'float32',
  )
  const nested = Math.ceil(n / 256)
  await compare(
    'quantize_absmax',
    `${n}`,
    [absmax, map, output([n], 'uint8'), output([nested], 'float32'), output([1], 'float32'), 256],
    1e-6,
  )
}

finish('4-bit quantization')
