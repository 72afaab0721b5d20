import { beforeAll, describe, expect, it } from 'vitest'
import { uniformStream } from '../../src/tensor/uniform-stream'
import { code4bit } from '../../src/quantization/codes'
import { functional } from '../../src/quantization/functional'
import { isNested } from '../../src/quantization/weight-4bit'
import { load_safetensors } from '../../src/tensor/safetensors'
import { Tensor } from '../../src/tensor/tensor'
import { golden } from '../support/shared'

const { quantize_4bit, dequantize_4bit } = functional

let stored: Record<string, Tensor>
beforeAll(async () => {
  stored = await load_safetensors(golden('quant.safetensors'))
})

function random(n: number): Float32Array {
  const uniform = uniformStream(n)
  return Float32Array.from({ length: n }, () => (uniform() - 0.5) * (uniform() < 0.1 ? 20 : 1))
}

async function numbers(t: Tensor): Promise<number[]> {
  const values = Array.from(await t.data())
  t.dispose()
  return values
}

describe('values', () => {
  it.each([
    ['mat.f32.nf4.bs64', [32, 96], 'mat.f32'],
    ['odd.bf16.nf4.bs128', [7, 33], 'odd.bf16'],
    ['tail.f16.nf4.bs64', [1000], 'tail.f16'],
  ])('%s: codes, maxima and values of bitsandbytes, bit for bit', async (name, shape, source) => {
    const blocksize = name.endsWith('128') ? 128 : 64
    const { codes, quant_state } = quantize_4bit(stored[`${source}.source`]!, {
      quant_type: 'nf4',
      blocksize,
    })
    expect(quant_state).toMatchObject({ quant_type: 'nf4', blocksize, shape })
    expect(await codes.bytes()).toEqual(await stored[`${name}.codes`]!.bytes())
    expect(await (quant_state.absmax as Tensor).bytes()).toEqual(await stored[`${name}.absmax`]!.bytes())
    for (const [dtype, key] of [
      ['float32', 'f32'],
      ['bfloat16', 'bf16'],
      ['torch.float16', 'f16'],
    ] as const) {
      const values = dequantize_4bit(codes, quant_state, { dtype })
      expect(values.shape).toEqual(shape)
      expect(await values.bytes()).toEqual(await stored[`${name}.dequant.${key}`]!.bytes())
    }
    expect(dequantize_4bit(codes, quant_state).dtype).toBe(stored[`${source}.source`]!.dtype)
  })

  it.each(['nf4', 'fp4'] as const)(
    '%s: each value is the nearest of the 16 times the maximum of its block',
    async (quant_type) => {
      const x = random(200)
      const { codes, quant_state } = quantize_4bit(Tensor.from(x), { quant_type, blocksize: 32 })
      expect(codes.shape).toEqual([100])
      const found = await numbers(dequantize_4bit(codes, quant_state))
      found.forEach((value, i) => {
        const block = x.subarray(i - (i % 32), Math.min(i - (i % 32) + 32, 200))
        const max = block.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
        const nearest = Math.min(...code4bit[quant_type].map((c) => Math.abs(c * max - x[i]!)))
        expect(Math.abs(value - x[i]!)).toBeLessThanOrEqual(nearest + 1e-6 * max)
      })
    },
  )

  it('the first value of a byte is in its high half', async () => {
    const { codes } = quantize_4bit(Tensor.from([1, -1, 0]))
    expect(Array.from(await codes.data<Uint8Array>())).toEqual([0xf0, 0x77])
  })

  it('quantizing what was dequantized changes nothing', async () => {
    const first = quantize_4bit(Tensor.from(random(640), { shape: [5, 128] }))
    const values = dequantize_4bit(first.codes, first.quant_state)
    const second = quantize_4bit(values)
    expect(await second.codes.bytes()).toEqual(await first.codes.bytes())
    expect(await dequantize_4bit(second.codes, second.quant_state).bytes()).toEqual(await values.bytes())
  })

  it.each([[[0]], [[1]], [[3, 5, 7]], [[2, 0, 4]], [[1, 1, 65]]])('shape %j comes back', async (shape) => {
    const n = shape.reduce((a, b) => a * b, 1)
    const { codes, quant_state } = quantize_4bit(Tensor.from(random(n), { shape }))
    const values = dequantize_4bit(codes, quant_state)
    expect([values.shape, values.dtype]).toEqual([shape, 'float32'])
    expect((await values.data()).length).toBe(n)
  })
})

describe('compress_statistics', () => {
  it('keeps the maxima in 8 bits, as bitsandbytes does', async () => {
    const { codes, quant_state } = quantize_4bit(stored['big.bf16.source']!, { compress_statistics: true })
    const { absmax } = quant_state
    if (!isNested(absmax)) throw new Error('expected nested maxima')
    const key = 'big.bf16.nf4.bs64.dq'
    expect(await codes.bytes()).toEqual(await stored[`${key}.codes`]!.bytes())
    expect(await absmax.q.bytes()).toEqual(await stored[`${key}.absmax_q`]!.bytes())
    expect(absmax.blocksize).toBe(256)
    expect([absmax.q.shape, absmax.absmax.shape]).toEqual([[272], [2]])
    const exact = await numbers(stored[`${key}.dequant.f32`]!)
    const found = await numbers(dequantize_4bit(codes, quant_state, { dtype: 'float32' }))
    found.forEach((v, i) => expect(Math.abs(v - exact[i]!)).toBeLessThanOrEqual(1e-6))
  })

  it('moves the values a little', async () => {
    const x = Tensor.from(random(4096))
    const plain = quantize_4bit(x)
    const nested = quantize_4bit(x, { compress_statistics: true })
    const a = await numbers(dequantize_4bit(plain.codes, plain.quant_state))
    const b = await numbers(dequantize_4bit(nested.codes, nested.quant_state))
    const largest = Math.max(...a.map(Math.abs))
    const moved = Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))
    expect(moved).toBeGreaterThan(0)
    expect(moved).toBeLessThanOrEqual(0.05 * largest)
  })
})

describe('refused', () => {
  const x = Tensor.from(random(10))

  it.each([
    [{ blocksize: 0 }, '[quantize_4bit] blocksize: got 0, needs a power of two from 32 to 4096'],
    [{ blocksize: 48 }, '[quantize_4bit] blocksize: got 48, needs a power of two from 32 to 4096'],
    [{ blocksize: 64.5 }, '[quantize_4bit] blocksize: got 64.5, needs'],
    [{ quant_type: 'nf5' }, "[quantize_4bit] quant_type: got 'nf5', needs one of 'nf4', 'fp4'"],
    [{ block_size: 64 }, "[quantize_4bit] unknown option 'block_size'. Did you mean 'blocksize'?"],
  ] as [object, string][])('%j', (options, message) => {
    expect(() => quantize_4bit(x, options)).toThrow(message)
  })

  it('tensors that are not float, codes that are too few, a dtype that is not float', () => {
    expect(() => quantize_4bit(Tensor.from([1, 2], { dtype: 'int32' }))).toThrow(
      '[quantize_4bit] expected a float tensor, got int32',
    )
    const { codes, quant_state } = quantize_4bit(x)
    expect(() => dequantize_4bit(Tensor.from(new Uint8Array(2)), quant_state)).toThrow(
      '[dequantize_4bit] codes: expected 5 elements, got shape (2)',
    )
    expect(() => dequantize_4bit(codes, quant_state, { dtype: 'int32' })).toThrow(
      '[dequantize_4bit] dtype: expected float32, bfloat16 or float16, got int32',
    )
    expect(() => dequantize_4bit(codes, quant_state, { type: 'float32' } as never)).toThrow(
      "unknown option 'type'. Did you mean 'dtype'?",
    )
  })

  it('a tensor that was disposed', () => {
    const gone = Tensor.from(random(10))
    gone.dispose()
    expect(() => quantize_4bit(gone)).toThrow('was disposed')
  })
})
