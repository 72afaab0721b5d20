import { expect, test } from 'vitest'
import { DEQUANTIZABLE, dequantize } from '../../src/files/gguf-dequantize'
import vectors from './vectors/gguf-blocks.json'

test.each(DEQUANTIZABLE)('%s is bit-equal to llama.cpp', (type) => {
  const { blocks, values } = (vectors as unknown as Record<string, { blocks: string; values: string }>)[type]!
  const out = new Float32Array(values.length / 8)
  dequantize(type, Buffer.from(blocks, 'hex'), out)
  expect(Buffer.from(out.buffer).toString('hex')).toBe(values)
})

test('a type we do not read is refused with the list of those we do', () => {
  expect(() => dequantize('IQ4_XS', new Uint8Array(136), new Float32Array(256))).toThrow(
    '[dequantize] type IQ4_XS is not supported; supported: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K',
  )
})
