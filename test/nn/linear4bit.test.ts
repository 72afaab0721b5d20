import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SafetensorsFile } from '../../src/files/safetensors'
import type { Context } from '../../src/nn/context'
import { Linear4bit } from '../../src/nn/linear4bit'
import { Parameter } from '../../src/nn/parameter'
import { dynamicMap } from '../../src/quantization/codes'
import { loadPrequantized } from '../../src/quantization/prequantized'
import { quantizeWeight } from '../../src/quantization/quantize'
import { Device } from '../../src/tensor/device'
import type { DType, FloatDType } from '../../src/tensor/dtype'
import { Tensor } from '../../src/tensor/tensor'
import { expectRelative } from '../native/harness'
import { goldenJson } from '../parity/support'
import { golden } from '../support/shared'

interface Case {
  key: string
  quant_type: 'nf4' | 'fp4'
  double_quant: boolean
  weight_dtype: string
  x_dtype: string
  compute_dtype: string
  bias: boolean
}

const dtypes: Record<string, FloatDType> = { f32: 'float32', bf16: 'bfloat16', f16: 'float16' }
const stored: Record<string, DType> = { F32: 'float32', BF16: 'bfloat16', F16: 'float16', U8: 'uint8' }
/** Of the coarser of x's and the compute dtype. */
const tolerances: Record<string, number> = { f32: 1e-5, f16: 1e-3, bf16: 8e-3 }

const device: Device = Device.get('cpu')
let file: SafetensorsFile

beforeAll(async () => {
  file = await SafetensorsFile.open(golden('linear4bit.safetensors'))
})
afterAll(() => file.close())

/** The golden file as a checkpoint; its tensors lack the map, which is always the same. */
const source = {
  has: (name: string): boolean => file.tensors.has(name),
  bytes: (name: string): Promise<Uint8Array> => file.read(name),
  async load(name: string): Promise<Tensor> {
    if (name.endsWith('nested_quant_map')) return Tensor.from(dynamicMap(true), { device })
    const info = file.tensors.get(name)!
    const [cols, ...rows] = [...info.shape].reverse()
    const tensor = device.empty(
      rows.length > 1 ? [rows.reduce((a, b) => a * b), cols!] : info.shape,
      stored[info.dtype]!,
    )
    tensor.write(await file.read(name))
    return tensor
  },
}

async function layer(c: Case): Promise<Linear4bit> {
  const bias = c.bias ? await source.load(`${c.key}.bias`) : undefined
  return new Linear4bit(c.key, await loadPrequantized(source, c.key, device), dtypes[c.compute_dtype]!, bias)
}

const numbers = async (t: Tensor): Promise<Float64Array> =>
  Float64Array.from((await t.data()) as Float32Array)

describe.each(goldenJson<Case[]>('linear4bit.json'))(
  '$key $quant_type nested $double_quant, weight $weight_dtype, x $x_dtype, compute $compute_dtype, bias $bias',
  (c) => {
    const tolerance = Math.max(tolerances[c.x_dtype]!, tolerances[c.compute_dtype]!)

    it('forward and backward are those of bitsandbytes', async () => {
      const linear = await layer(c)
      using scope = device.scope()
      const ctx = { scope } as unknown as Context // the rest concerns attention and dropout
      const x = await source.load(`${c.key}.x`)
      const y = linear.forward(x, ctx)
      expect(y.dtype).toBe(x.dtype)
      expectRelative(await numbers(y), await numbers(await source.load(`${c.key}.y`)), tolerance)

      const dy = await source.load(`${c.key}.grad_y`)
      if (linear.bias) linear.trainedBias = new Parameter('bias', linear.bias)
      const dx = linear.backward(dy, x, ctx)!
      expect(dx.dtype).toBe(x.dtype)
      expectRelative(await numbers(dx), await numbers(await source.load(`${c.key}.grad_x`)), tolerance)
      if (c.bias) {
        const want = await numbers(await source.load(`${c.key}.grad_bias`))
        expectRelative(await numbers(linear.trainedBias!.gradient()), want, tolerance)
      }
    })

    it('the weight quantizes to the same bytes', async () => {
      const weight = await source.load(`${c.key}.weight_source`)
      const { codes } = quantizeWeight(weight, {
        quant_type: c.quant_type,
        compress_statistics: c.double_quant,
      })
      const oneZero = (bytes: Uint8Array): number[] =>
        Array.from(bytes).flatMap((b) =>
          [b >> 4, b & 15].map((n) => (c.quant_type === 'fp4' && n === 8 ? 0 : n)),
        )
      expect(oneZero(await codes.bytes())).toEqual(oneZero(await file.read(`${c.key}.weight`)))
    })
  },
)
