import { beforeAll, describe, expect, it } from 'vitest'
import { SafetensorsFile } from '../../src/files/safetensors'
import type { BlockMaxima, TensorHandle } from '../../src/native/contract'
import { code4bit, dynamicMap } from '../../src/quantization/codes'
import { decode } from '../../src/tensor/convert'
import type { FloatDType } from '../../src/tensor/dtype'
import { golden } from '../support/shared'
import { cpu, expectRelative, floatDTypes, native, normals, Output, rounded, tensor } from './harness'
import { nestedMaxima } from './nested-maxima'

type QuantType = 'nf4' | 'fp4'
const short: Record<string, FloatDType> = { f32: 'float32', bf16: 'bfloat16', f16: 'float16' }
const names: Record<string, FloatDType | 'uint8'> = {
  F32: 'float32',
  BF16: 'bfloat16',
  F16: 'float16',
  U8: 'uint8',
}

/** The stored tensors by name: dtype, shape, bytes. */
const stored = new Map<string, { dtype: FloatDType | 'uint8'; shape: number[]; bytes: Uint8Array }>()

beforeAll(async () => {
  const file = await SafetensorsFile.open(golden('quant.safetensors'))
  for (const [name, info] of file.tensors)
    stored.set(name, { dtype: names[info.dtype]!, shape: [...info.shape], bytes: await file.read(name) })
  await file.close()
})

function bytesOf(name: string): Uint8Array {
  const found = stored.get(name)
  if (!found) throw new Error(`no golden '${name}'`)
  return found.bytes
}

function load(name: string): { handle: TensorHandle; shape: number[]; n: number } {
  const { dtype, shape } = stored.get(name)!
  const handle = native.tensor_empty(cpu, dtype, shape)
  native.tensor_write(handle, bytesOf(name))
  return { handle, shape, n: shape.reduce((a, b) => a * b, 1) }
}

function floats(name: string): Float64Array {
  const { bytes, dtype } = stored.get(name)!
  return Float64Array.from(decode(bytes.slice().buffer, dtype) as ArrayLike<number>)
}

/** Codes with FP4's two zeros made one: bitsandbytes' CPU and CUDA code disagree on its sign. */
function oneZero(codes: Uint8Array): number[] {
  return Array.from(codes, (byte) => ((byte & 0xf0) === 0x80 ? byte & 15 : byte)).map((byte) =>
    (byte & 15) === 8 ? byte & 0xf0 : byte,
  )
}

async function raw(t: Output): Promise<Uint8Array> {
  await t.read() // the guard bands
  return new Uint8Array(await native.tensor_read(t.handle))
}

function quantize(
  x: TensorHandle,
  n: number,
  type: string,
  blocksize: number,
): { codes: Output; absmax: Output } {
  const codes = new Output([Math.ceil(n / 2)], 'uint8')
  const absmax = new Output([Math.ceil(n / blocksize)])
  native.quantize_4bit(x, codes.handle, absmax.handle, type, blocksize)
  return { codes, absmax }
}

const cases = ['mat', 'tail', 'odd', 'zero', 'tailzero', 'range'].flatMap((name) =>
  Object.keys(short).flatMap((src) =>
    (['nf4', 'fp4'] as QuantType[]).flatMap((type) =>
      [64, 128].map((blocksize) => ({
        name,
        src,
        type,
        blocksize,
        key: `${name}.${src}.${type}.bs${blocksize}`,
      })),
    ),
  ),
)
const all = [
  ...cases,
  { name: 'ties', src: 'f32', type: 'nf4' as QuantType, blocksize: 64, key: 'ties.f32.nf4.bs64' },
]

describe.each(all)('$key as bitsandbytes has it', ({ name, src, type, blocksize, key }) => {
  it('codes and maxima', async () => {
    const x = load(`${name}.${src}.source`)
    const { codes, absmax } = quantize(x.handle, x.n, type, blocksize)
    const maxima = floats(`${key}.absmax`)
    if (name === 'tailzero') maxima[maxima.length - 1] = 0
    expect(await absmax.read()).toEqual(maxima)
    if (type === 'nf4') expect(await raw(codes)).toEqual(bytesOf(`${key}.codes`))
    else expect(oneZero(await raw(codes))).toEqual(oneZero(bytesOf(`${key}.codes`)))
  })

  it.each(Object.keys(short))('dequantized to %s', async (dst) => {
    const [codes, absmax] = [load(`${key}.codes`), load(`${key}.absmax`)]
    const { shape } = load(`${name}.${src}.source`)
    const out = new Output(shape, short[dst]!)
    native.dequantize_4bit(codes.handle, [absmax.handle], out.handle, type, blocksize, 0)
    const [got, want] = [await out.read(), floats(`${key}.dequant.${dst}`)]
    expect(got.map((v) => v + 0)).toEqual(want.map((v) => v + 0)) // -0 is 0
  })
})

const nested = () =>
  [...stored.keys()].filter((k) => k.endsWith('.dq.absmax_q')).map((k) => k.slice(0, -'.absmax_q'.length))

describe('double quantization as bitsandbytes has it', () => {
  const map = (): TensorHandle => tensor(dynamicMap(true), [256])

  /** The maxima themselves: the weights whose codes are all 1.0. */
  async function restored(blocks: number, nested: BlockMaxima): Promise<Float64Array> {
    const ones = tensor(new Float64Array(blocks * 16).fill(0xff), [blocks * 16], 'uint8')
    const out = new Output([blocks, 32])
    native.dequantize_4bit(ones, nested, out.handle, 'nf4', 32, 0)
    return (await out.read()).filter((_, i) => i % 32 === 31)
  }

  it('codes, maxima and mean of the block maxima', async () => {
    expect(nested().length).toBeGreaterThan(10)
    for (const key of nested()) {
      const [, type, blocksize] = /(nf4|fp4)\.bs(\d+)\.dq$/.exec(key)!
      const x = load(`${key.split('.').slice(0, 2).join('.')}.source`)
      const { absmax } = quantize(x.handle, x.n, type!, Number(blocksize))
      const blocks = Math.ceil(x.n / Number(blocksize))
      const [q, maxima, offset] = [
        new Output([blocks], 'uint8'),
        new Output([Math.ceil(blocks / 256)]),
        new Output([1]),
      ]
      native.quantize_absmax(absmax.handle, map(), q.handle, maxima.handle, offset.handle, 256)
      expect(await raw(q), key).toEqual(bytesOf(`${key}.absmax_q`))
      expectRelative(await maxima.read(), floats(`${key}.nested_absmax`), 1e-6)
      expectRelative(await offset.read(), floats(`${key}.offset`), 1e-6)
    }
  })

  it('the maxima restored, and the weights from them', async () => {
    for (const key of nested()) {
      const [, type, blocksize] = /(nf4|fp4)\.bs(\d+)\.dq$/.exec(key)!
      const [q, maxima, offset] = ['absmax_q', 'nested_absmax', 'offset'].map((f) => load(`${key}.${f}`))
      const nested = [q!.handle, map(), maxima!.handle, offset!.handle, 256] as const
      expect(await restored(q!.n, nested), key).toEqual(floats(`${key}.absmax_restored`))
      const want = floats(`${key}.dequant.f32`)
      const out = new Output([want.length])
      native.dequantize_4bit(load(`${key}.codes`).handle, nested, out.handle, type!, Number(blocksize), 0)
      expect(
        (await out.read()).map((v) => v + 0),
        key,
      ).toEqual(want.map((v) => v + 0))
    }
  })

  it('equal maxima leave a zero block: the code of 0', async () => {
    const [q, maxima, offset] = [new Output([300], 'uint8'), new Output([2]), new Output([1])]
    native.quantize_absmax(
      tensor(new Float64Array(300).fill(0.25), [300]),
      map(),
      q.handle,
      maxima.handle,
      offset.handle,
      256,
    )
    expect(new Set(await q.read())).toEqual(new Set([127]))
    const values = await restored(300, [q.handle, map(), maxima.handle, offset.handle, 256])
    expect(new Set(values)).toEqual(new Set([0.25]))
  })
})

/** Codes by the definition: thresholds strictly below x / max, ties to the lower value; 0 has no sign. */
function codesByDefinition(x: Float64Array, type: QuantType, blocksize: number): number[] {
  const value = code4bit[type]
  const order = Array.from({ length: 16 }, (_, i) => i)
    .filter((i) => !Object.is(value[i], -0))
    .sort((i, j) => value[i]! - value[j]!)
  return Array.from(x, (v, i) => {
    const from = Math.floor(i / blocksize) * blocksize
    const max = x.subarray(from, from + blocksize).reduce((m, w) => Math.max(m, Math.abs(w)), 0)
    const t = Math.fround(v * Math.fround(1 / max))
    let k = 0
    while (k + 1 < order.length && t > Math.fround((value[order[k]!]! + value[order[k + 1]!]!) / 2)) k++
    return order[k]!
  })
}

describe('4-bit blocks of other sizes', () => {
  it.each([32, 64, 128, 256, 512, 1024, 2048, 4096])(
    'block size %d, odd counts, every dtype',
    async (blocksize) => {
      for (const n of [1, 2, 63, blocksize - 1, blocksize + 1, 4097, 20011]) {
        for (const type of ['nf4', 'fp4'] as QuantType[]) {
          const dtype = floatDTypes[n % 3]!
          const x = rounded(normals(n, n), dtype)
          const { codes, absmax } = quantize(tensor(x, [n], dtype), n, type, blocksize)
          const want = codesByDefinition(x, type, blocksize)
          const zero = type === 'nf4' ? 7 : 0
          const bytes = Array.from(
            { length: Math.ceil(n / 2) },
            (_, i) => want[2 * i]! * 16 + (want[2 * i + 1] ?? zero),
          )
          const got = await raw(codes)
          expect(type === 'fp4' ? oneZero(got) : Array.from(got)).toEqual(bytes)
          const maxima = await absmax.read()
          const out = new Output([n], dtype)
          native.dequantize_4bit(codes.handle, [absmax.handle], out.handle, type, blocksize, 0)
          const values = want.map((c, i) =>
            Math.fround(code4bit[type][c]! * maxima[Math.floor(i / blocksize)]!),
          )
          expect((await out.read()).map((v) => v + 0)).toEqual(rounded(values, dtype).map((v) => v + 0))
        }
      }
    },
  )

  it('double-quantized maxima: the bits of the restored ones', async () => {
    for (const n of [1, 63, 4097, 70001])
      for (const [blocksize, nestedBlocksize] of [
        [64, 256],
        [32, 32],
        [4096, 64],
      ] as const) {
        const codes = tensor(
          normals(Math.ceil(n / 2), n).map((x) => Math.floor(Math.abs(x) * 1000) & 255),
          [Math.ceil(n / 2)],
          'uint8',
        )
        const { nested, restored } = nestedMaxima(Math.ceil(n / blocksize), nestedBlocksize)
        for (const dtype of floatDTypes) {
          const [got, want] = [new Output([n], dtype), new Output([n], dtype)]
          native.dequantize_4bit(codes, nested, got.handle, 'nf4', blocksize, 0)
          native.dequantize_4bit(
            codes,
            [tensor(restored, [restored.length])],
            want.handle,
            'nf4',
            blocksize,
            0,
          )
          expect(await got.read()).toEqual(await want.read())
        }
      }
  })

  it('rows of a wider matrix: the same values, and zeros behind them', async () => {
    const [rows, cols] = [37, 40]
    const codes = tensor(
      normals((rows * cols) / 2, 5).map((x) => Math.floor(Math.abs(x) * 1000) & 255),
      [(rows * cols) / 2],
      'uint8',
    )
    const { nested } = nestedMaxima(Math.ceil((rows * cols) / 64), 256)
    for (const dtype of floatDTypes) {
      const [wide, whole] = [new Output([rows, cols + 11], dtype), new Output([rows, cols], dtype)]
      native.dequantize_4bit(codes, nested, wide.handle, 'nf4', 64, cols)
      native.dequantize_4bit(codes, nested, whole.handle, 'nf4', 64, 0)
      const want = await whole.read()
      const got = await wide.read()
      for (let i = 0; i < rows; i++) {
        const row = got.slice(i * (cols + 11), (i + 1) * (cols + 11))
        expect(row.slice(0, cols)).toEqual(want.slice(i * cols, (i + 1) * cols))
        expect(row.slice(cols)).toEqual(new Float64Array(11))
      }
    }
    expect(() =>
      native.dequantize_4bit(codes, nested, new Output([rows, cols], 'float32').handle, 'nf4', 64, 41),
    ).toThrow("[dequantize_4bit] in_features: expected a multiple of 8 up to out's 40 columns, got 41")
  })

  it('an infinite element: its neighbours become code 7 and read back as NaN; NaN does not count for the maximum', async () => {
    const x = new Float64Array(64).fill(1)
    x[3] = Infinity
    const { codes, absmax } = quantize(tensor(x, [64]), 64, 'nf4', 64)
    expect(Array.from((await raw(codes)).slice(0, 3))).toEqual([0x77, 0x70, 0x77])
    expect(await absmax.read()).toEqual(Float64Array.of(Infinity))
    x[3] = NaN
    const second = quantize(tensor(x, [64]), 64, 'nf4', 64)
    expect(await second.absmax.read()).toEqual(Float64Array.of(1))
    expect(Array.from((await raw(second.codes)).slice(0, 3))).toEqual([0xff, 0xf0, 0xff])
  })
})

it('the maps are those of the goldens', () => {
  for (const type of ['nf4', 'fp4'] as QuantType[])
    expect(Float64Array.from(code4bit[type], (v) => v + 0)).toEqual(floats(`map4.${type}`).map((v) => v + 0))
  expect(Float64Array.from(dynamicMap(true))).toEqual(floats('map8.signed'))
  expect(Float64Array.from(dynamicMap(false))).toEqual(floats('map8.unsigned'))
})

describe('refused arguments', () => {
  const u8 = (n: number): TensorHandle => native.tensor_empty(cpu, 'uint8', [n])
  const f32 = (...shape: number[]): TensorHandle => native.tensor_empty(cpu, 'float32', shape)

  it('names the operation, the argument and what would fit', () => {
    expect(() => native.quantize_4bit(f32(3, 5), u8(7), f32(1), 'nf4', 64)).toThrow(
      '[quantize_4bit] codes: expected 8 elements, got shape (7)',
    )
    expect(() => native.quantize_4bit(f32(130), u8(65), f32(2), 'nf4', 64)).toThrow(
      '[quantize_4bit] absmax: expected 3 elements, got shape (2)',
    )
    expect(() => native.quantize_4bit(u8(130), u8(65), f32(3), 'nf4', 64)).toThrow(
      '[quantize_4bit] x: expected a float dtype, got uint8',
    )
    expect(() => native.dequantize_4bit(u8(65), [f32(3)], f32(131), 'nf4', 64, 0)).toThrow(
      '[dequantize_4bit] codes',
    )
    expect(() => native.dequantize_4bit(u8(65), [f32(3)], f32(130), 'NF4', 64, 0)).toThrow(
      "[dequantize_4bit] quant_type: expected one of 'nf4', 'fp4', got 'NF4'",
    )
    for (const blocksize of [0, 48, 16, 8192])
      expect(() => native.quantize_4bit(f32(2), u8(1), f32(1), 'nf4', blocksize)).toThrow(
        `[quantize_4bit] blocksize: expected a power of two from 32 to 4096, got ${blocksize}`,
      )
    expect(() => native.quantize_absmax(f32(300), f32(256), u8(300), f32(1), f32(1), 256)).toThrow(
      '[quantize_absmax] nested_absmax: expected 2 elements, got shape (1)',
    )
    expect(() => native.quantize_absmax(f32(300), f32(256), u8(300), f32(4), f32(1), 100)).toThrow(
      '[quantize_absmax] blocksize: expected a power of two from 32 to 4096, got 100',
    )
    const nested = (q: TensorHandle, map: TensorHandle) => (): void =>
      native.dequantize_4bit(u8(65), [q, map, f32(1), f32(1), 256], f32(130), 'nf4', 64, 0)
    expect(nested(u8(3), f32(256))).not.toThrow()
    expect(nested(u8(4), f32(256))).toThrow('[dequantize_4bit] absmax: expected 3 elements, got shape (4)')
    expect(nested(u8(3), f32(16))).toThrow(
      '[dequantize_4bit] code_map: expected 256 elements, got shape (16)',
    )
  })
})
