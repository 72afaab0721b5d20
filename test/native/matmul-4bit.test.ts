import { describe, expect, it } from 'vitest'
import type { BlockMaxima, TensorHandle } from '../../src/native/contract'
import { code4bit } from '../../src/quantization/codes'
import type { FloatDType } from '../../src/tensor/dtype'
import { cpu, expectRelative, floatDTypes, native, normals, Output, rounded, tensor } from './harness'
import { nestedMaxima } from './nested-maxima'

interface Case {
  m: number
  /** [out, in] */
  w: [number, number]
  transpose: boolean
  type?: 'nf4' | 'fp4'
  blocksize?: number
  x?: FloatDType
  out?: FloatDType
  weight?: FloatDType
  operands?: FloatDType
  alpha?: number
  beta?: number
}

const tolerance: Record<FloatDType, number> = { float32: 2e-6, bfloat16: 2.2e-3, float16: 4e-4 }

function complete(given: Case): Required<Case> {
  const { x = 'float32', out = x, operands = 'float32', weight = operands } = given
  return { type: 'nf4', blocksize: 64, alpha: 1, beta: 0, ...given, x, out, operands, weight }
}

/** Any bytes are codes; maxima as weights have them. */
function fourBit(c: Required<Case>): { codes: Uint8Array; absmax: Float64Array } {
  const n = c.w[0] * c.w[1]
  const codes = Uint8Array.from(normals(Math.ceil(n / 2), 5), (x) => Math.floor(Math.abs(x) * 1000) & 255)
  return { codes, absmax: normals(Math.ceil(n / c.blocksize), 6).map((x) => Math.fround(0.1 + Math.abs(x))) }
}

/** The weights as the contract says: one float32 product, then the two roundings. */
function weights(c: Required<Case>, codes: Uint8Array, absmax: Float64Array): Float64Array {
  const values = Float64Array.from({ length: c.w[0] * c.w[1] }, (_, i) => {
    const nibble = i % 2 === 0 ? codes[i >> 1]! >> 4 : codes[i >> 1]! & 15
    return Math.fround(code4bit[c.type][nibble]! * absmax[Math.floor(i / c.blocksize)]!)
  })
  return rounded(rounded(values, c.weight), c.operands)
}

async function check(given: Case): Promise<void> {
  const c = complete(given)
  const [k, n] = c.transpose ? [c.w[1], c.w[0]] : c.w
  const { codes, absmax } = fourBit(c)
  const x = rounded(normals(c.m * k, 7), c.x)
  const before = rounded(normals(c.m * n, 8), c.out)
  const out = new Output([c.m, n], c.out, c.beta === 0 ? undefined : before)
  native.matmul_4bit(
    tensor(x, [c.m, k], c.x),
    tensor(codes, [codes.length], 'uint8'),
    [tensor(absmax, [absmax.length])],
    out.handle,
    ...c.w,
    c.type,
    c.blocksize,
    c.transpose,
    c.alpha,
    c.beta,
    c.weight,
    c.operands,
  )
  const w = weights(c, codes, absmax)
  const rx = rounded(x, c.operands)
  const want = before.map((v) => (c.beta === 0 ? 0 : c.beta * v))
  for (let i = 0; i < c.m; i++) {
    for (let l = 0; l < k; l++) {
      for (let j = 0; j < n; j++)
        want[i * n + j]! += c.alpha * rx[i * k + l]! * w[c.transpose ? j * k + l : l * n + j]!
    }
  }
  expectRelative(await out.read(), want, tolerance[c.out])
}

describe.each([true, false])('matmul_4bit, transpose %s', (transpose) => {
  it('odd sizes: rows of every alignment in their blocks and bytes', async () => {
    for (const m of [1, 2, 5, 6, 7, 8, 63, 65]) {
      for (const w of [
        [1, 1],
        [3, 33],
        [65, 63],
        [7, 130],
        [50, 96],
        [97, 65],
      ] as [number, number][]) {
        await check({ m, w, transpose, beta: m % 2 })
      }
    }
  })

  it.each(['nf4', 'fp4'] as const)('%s: every block size', async (type) => {
    for (const blocksize of [32, 64, 128, 256, 512, 1024, 2048, 4096]) {
      await check({ m: 9, w: [70, 150], transpose, type, blocksize })
      await check({ m: 1, w: [70, 150], transpose, type, blocksize })
    }
  })

  it.each([
    { m: 4097, w: [17, 40] },
    { m: 130, w: [900, 700] },
    { m: 150, w: [700, 1200], beta: 1 },
    { m: 2, w: [40, 2100], alpha: 0.5 },
  ] as { m: number; w: [number, number] }[])('large: %o', async (c) => await check({ ...c, transpose }))

  describe.each(floatDTypes)('x %s', (x) => {
    it.each(floatDTypes)('operands %s, every weight dtype', async (operands) => {
      for (const weight of floatDTypes) {
        await check({ m: 1, w: [65, 127], transpose, x, operands, weight })
        await check({ m: 33, w: [65, 127], transpose, x, operands, weight, beta: 1 })
        await check({ m: 33, w: [64, 192], transpose, x, operands, weight, out: 'float32' })
      }
    })
  })
})

describe.each([true, false])('matmul_4bit with double-quantized maxima, transpose %s', (transpose) => {
  it.each(floatDTypes)('%s: the bits of the product with the maxima restored', async (x) => {
    for (const m of [1, 3, 17, 65])
      for (const w of [
        [1, 1],
        [3, 33],
        [65, 63],
        [50, 96],
        [130, 520],
      ] as [number, number][])
        for (const [blocksize, nestedBlocksize] of [
          [64, 256],
          [32, 32],
          [128, 4096],
        ] as const) {
          const c = complete({ m, w, transpose, blocksize, x, beta: m % 2, operands: x })
          const [k, n] = transpose ? [w[1], w[0]] : w
          const codes = tensor(fourBit(c).codes, [Math.ceil((k * n) / 2)], 'uint8')
          const { nested, restored } = nestedMaxima(Math.ceil((k * n) / blocksize), nestedBlocksize)
          const operand = tensor(rounded(normals(m * k, 7), x), [m, k], x)
          const [got, want] = [0, 1].map(() => new Output([m, n], x, normals(m * n, 8))) as [Output, Output]
          const rest = [...w, c.type, blocksize, transpose, 0.75, c.beta, c.weight, c.operands] as const
          native.matmul_4bit(operand, codes, nested, got.handle, ...rest)
          native.matmul_4bit(operand, codes, [tensor(restored, [restored.length])], want.handle, ...rest)
          expect(await got.read()).toEqual(await want.read())
        }
  })
})

describe('matmul_4bit, refused arguments', () => {
  const call =
    (x: number[], codes: number, absmax: number, out: number[], ...rest: [string?, number?]) =>
    (): void => {
      const [type = 'nf4', blocksize = 64] = rest
      native.matmul_4bit(
        native.tensor_empty(cpu, 'float32', x),
        native.tensor_empty(cpu, 'uint8', [codes]),
        [native.tensor_empty(cpu, 'float32', [absmax])],
        native.tensor_empty(cpu, 'float32', out),
        4,
        64,
        type,
        blocksize,
        true,
        1,
        0,
        'float32',
        'float32',
      )
    }

  it('names the operation, the argument and the shapes', () => {
    expect(call([3, 64], 128, 4, [3, 4])).not.toThrow()
    expect(call([3, 63], 128, 4, [3, 4])).toThrow('[matmul_4bit] x: expected shape (3, 64), got (3, 63)')
    expect(call([3, 64], 127, 4, [3, 4])).toThrow(
      '[matmul_4bit] codes: expected 128 elements, got shape (127)',
    )
    expect(call([3, 64], 128, 5, [3, 4])).toThrow('[matmul_4bit] absmax: expected 4 elements, got shape (5)')
    expect(call([3, 64], 128, 4, [4, 3])).toThrow('[matmul_4bit] out: expected shape (3, 4), got (4, 3)')
    expect(call([3, 64], 128, 4, [3, 4], 'int4')).toThrow(
      "[matmul_4bit] quant_type: expected one of 'nf4', 'fp4', got 'int4'",
    )
    expect(call([3, 64], 128, 4, [3, 4], 'nf4', 48)).toThrow(
      '[matmul_4bit] blocksize: expected a power of two from 32 to 4096, got 48',
    )
  })

  it('names the part of double-quantized maxima that is missing or does not fit', () => {
    const u8 = (n: number): TensorHandle => native.tensor_empty(cpu, 'uint8', [n])
    const f32 = (...shape: number[]): TensorHandle => native.tensor_empty(cpu, 'float32', shape)
    const good = {
      absmax: u8(33),
      code_map: f32(256),
      nested_absmax: f32(2),
      offset: f32(1),
      nested_blocksize: 32,
    }
    const nested = (parts: { [K in keyof typeof good]?: (typeof good)[K] | undefined }) => (): void => {
      const out = f32(3, 33)
      const m = { ...good, ...parts }
      native.matmul_4bit(
        f32(3, 64),
        u8(33 * 32),
        [m.absmax!, m.code_map, m.nested_absmax, m.offset, m.nested_blocksize],
        out,
        33,
        64,
        'nf4',
        64,
        true,
        1,
        0,
        'float32',
        'float32',
      )
    }
    expect(nested({})).not.toThrow()
    expect(nested({ absmax: f32(33) })).toThrow('[matmul_4bit] absmax: expected uint8, got float32')
    expect(nested({ absmax: u8(32) })).toThrow('[matmul_4bit] absmax: expected 33 elements, got shape (32)')
    expect(nested({ code_map: f32(16) })).toThrow(
      '[matmul_4bit] code_map: expected 256 elements, got shape (16)',
    )
    expect(nested({ code_map: u8(256) })).toThrow('[matmul_4bit] code_map: expected float32, got uint8')
    expect(nested({ nested_absmax: f32(1) })).toThrow(
      '[matmul_4bit] nested_absmax: expected 2 elements, got shape (1)',
    )
    expect(nested({ nested_absmax: u8(2) })).toThrow(
      '[matmul_4bit] nested_absmax: expected float32, got uint8',
    )
    expect(nested({ offset: f32(2) })).toThrow('[matmul_4bit] offset: expected 1 elements, got shape (2)')
    expect(nested({ offset: u8(1) })).toThrow('[matmul_4bit] offset: expected float32, got uint8')
    for (const size of [0, 48, 8192])
      expect(nested({ nested_blocksize: size })).toThrow(
        `[matmul_4bit] nested_blocksize: expected a power of two from 32 to 4096, got ${size}`,
      )
    for (const name of ['code_map', 'nested_absmax', 'offset'] as const)
      expect(nested({ [name]: undefined })).toThrow(
        `[matmul_4bit] code_map, nested_absmax and offset: expected all three or none, got no ${name}`,
      )
    expect(nested({ code_map: undefined, nested_absmax: undefined, offset: undefined })).toThrow(
      '[matmul_4bit] absmax: expected float32, got uint8',
    )
  })

  it('names the part of the maxima that cannot be read', () => {
    const f32 = (...shape: number[]): TensorHandle => native.tensor_empty(cpu, 'float32', shape)
    const codes = native.tensor_empty(cpu, 'uint8', [128])
    const maxima = (given: unknown) => (): void =>
      native.dequantize_4bit(codes, given as BlockMaxima, f32(4, 64), 'nf4', 64, 0)
    expect(maxima([f32(4)])).not.toThrow()
    expect(maxima(undefined)).toThrow(
      '[dequantize_4bit] argument 1: expected an array that begins with absmax',
    )
    expect(maxima([])).toThrow('[dequantize_4bit] argument 1.absmax: expected a tensor handle')
    expect(maxima([f32(4), undefined, undefined, 1])).toThrow(
      '[dequantize_4bit] argument 1.offset: expected a tensor handle',
    )
    expect(maxima([f32(4), f32(256)])).toThrow(
      '[dequantize_4bit] argument 1.nested_blocksize: expected a number',
    )
  })
})
