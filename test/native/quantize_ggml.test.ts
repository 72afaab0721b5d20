import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { addon } from '../../src/native/addon'
import { Tensor } from '../../src/tensor/tensor'

const vectors = JSON.parse(
  readFileSync(join(__dirname, '../files/vectors/ggml-quantize.json'), 'utf8'),
) as Record<string, string>
const values = new Float32Array(new Uint8Array(Buffer.from(vectors['values']!, 'hex')).buffer)
const formats = ['Q4_0', 'Q5_0', 'Q5_1', 'Q8_0', 'Q4_K', 'Q5_K', 'Q6_K'] as const

describe('quantize_ggml', () => {
  it.each(formats)('%s: the blocks of ggml, bit for bit', async (format) => {
    const x = Tensor.from(values)
    const blocks = Buffer.from(await addon().quantize_ggml(x.handle, format))
    expect(blocks.toString('hex')).toBe(vectors[format])
    x.dispose()
  })

  it('a hundred times the blocks: each thread writes its own', async () => {
    const x = Tensor.from(
      Float32Array.from({ length: values.length * 100 }, (_, i) => values[i % values.length]!),
    )
    const blocks = Buffer.from(await addon().quantize_ggml(x.handle, 'Q6_K'))
    const one = vectors['Q6_K']!
    expect(blocks.toString('hex') === one.repeat(100)).toBe(true)
    x.dispose()
  })

  it('refuses what it cannot do', () => {
    const x = Tensor.from(values.subarray(0, 100))
    const half = x.device.empty([256], 'float16')
    const call =
      (tensor: Tensor, format: string): (() => unknown) =>
      () =>
        addon().quantize_ggml(tensor.handle, format as 'Q4_K')
    expect(call(x, 'Q4_K')).toThrow('expected whole blocks of 256 values, got 100 values')
    expect(call(half, 'Q4_K')).toThrow('expected float32 on the CPU, got float16 on cpu')
    expect(call(x, 'Q2_K')).toThrow("expected Q4_0, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K, got 'Q2_K'")
    x.dispose()
    half.dispose()
  })
})
