import { afterEach, describe, expect, it, vi } from 'vitest'
import { canFuseBackward, canFuseForward } from '../../src/nn/fused-lora'
import { Linear4bit } from '../../src/nn/linear4bit'
import { LoraLinear } from '../../src/nn/lora'
import { Parameter } from '../../src/nn/parameter'
import { ParameterStack } from '../../src/nn/parameter-stack'
import { project, projectBackward } from '../../src/nn/projections'
import { quantizeWeight } from '../../src/quantization/quantize'
import { Device } from '../../src/tensor/device'
import type { FloatDType } from '../../src/tensor/dtype'
import { copy } from '../../src/tensor/ops'
import type { Tensor } from '../../src/tensor/tensor'
import { context, distance, product, random, tensor, type Matrix } from './support'

const device = Device.get('cpu')
const T = 256
const narrow = 64
const wide = 176
const r = 8
const scaling = 0.3

/** The device as a GPU, which dequantizes whole matrices. */
function asGpu(is: boolean): void {
  vi.spyOn(Device.prototype, 'dequantizesWhole', 'get').mockReturnValue(is)
}
afterEach(() => vi.restoreAllMocks())

function as(dtype: FloatDType, m: Matrix): Tensor {
  const from = tensor(m)
  const to = device.empty(from.shape, dtype)
  copy(from, to)
  return to
}

/** Layers of one input whose adapters are one stack, and W, A and B of each as numbers. */
function layers(dtype: FloatDType, outs: readonly number[], cols: number) {
  const stack = new ParameterStack(
    device,
    'float32',
    cols,
    outs.map((_, i) => ({ name: `a${i}`, rows: r })),
  )
  const all = outs.map((out, i) => {
    const weight = quantizeWeight(as(dtype, random(out, cols, 10 + i)), {
      quant_type: 'nf4',
      compress_statistics: true,
    })
    const a = random(r, cols, 20 + i)
    const b = random(out, r, 30 + i)
    stack.parts[i]!.data.write(new Uint8Array(Float32Array.from(a.flat()).buffer))
    const up = new Parameter(`b${i}`, tensor(b))
    const base = new Linear4bit(`w${i}`, weight, dtype)
    const settings = { scaling, dropout: 0, stream: i }
    const lora = new LoraLinear(base, stack.parts[i]!, up, settings, outs.length > 1 ? stack : undefined)
    return { lora, a, b, dense: base.denseWeight() }
  })
  return all
}

async function matrix(t: Tensor): Promise<Matrix> {
  const values = await t.data()
  return Array.from({ length: t.rows }, (_, i) => [...values.subarray(i * t.cols, (i + 1) * t.cols)])
}

const sum = (x: Matrix, y: Matrix, factor: number): Matrix =>
  x.map((row, i) => row.map((v, j) => v + factor * y[i]![j]!))

describe("an adapter's columns inside its base's product", () => {
  for (const [dtype, tolerance] of [
    ['float32', 2e-4],
    ['bfloat16', 0.3],
  ] as const) {
    it(`narrow to wide layers of one input, ${dtype}: y = x W^T + s (x A^T) B^T`, async () => {
      asGpu(true)
      const parts = layers(dtype, [wide, wide + 8], narrow)
      const loras = parts.map(({ lora }) => lora)
      const ctx = context(T, dtype === 'float32' ? {} : { autocast: dtype })
      const x = as(dtype, random(T, narrow, 1))
      expect(canFuseForward(loras, x, ctx)).toBe(true)
      const { ys } = project(loras, x, ctx)
      const rows = await matrix(x)
      for (const [i, { a, b, dense }] of parts.entries()) {
        const update = product(product(rows, a, true), b, true)
        const expected = sum(product(rows, await matrix(dense), true), update, scaling)
        expect(await distance(ys[i]!, expected)).toBeLessThanOrEqual(tolerance)
      }
    })

    it(`backward of a wide to narrow layer, ${dtype}: dx = dy W + s (dy B) A, and the same gradients`, async () => {
      const [part] = layers(dtype, [narrow], wide)
      const { lora, a, b, dense } = part!
      const ctx = context(T, dtype === 'float32' ? {} : { autocast: dtype })
      const [x, dy] = [as(dtype, random(T, wide, 2)), as(dtype, random(T, narrow, 3))]
      const gradients: Float32Array[] = []
      for (const is of [true, false]) {
        asGpu(is)
        expect(canFuseBackward(lora, dy, ctx)).toBe(is)
        const { lowRank } = project([lora], x, ctx)
        const dx = projectBackward([lora], [dy], x, lowRank, ctx)!
        const rows = await matrix(dy)
        const expected = sum(product(rows, await matrix(dense)), product(product(rows, b), a), scaling)
        expect(await distance(dx, expected)).toBeLessThanOrEqual(tolerance)
        gradients.push(await lora.lora_A.grad!.data(), await lora.lora_B.grad!.data())
        for (const p of lora.ownParameters()) p.zeroGrad()
      }
      expect(gradients[0]).toEqual(gradients[2])
      expect(gradients[1]).toEqual(gradients[3])
    })
  }

  it('is not for few tokens, layers that get narrower, other dtypes, dropout below, or a CPU', async () => {
    asGpu(true)
    const loras = layers('float32', [wide, wide], narrow).map(({ lora }) => lora)
    const [square] = layers('float32', [narrow], narrow)
    const x = tensor(random(T, narrow, 1))
    expect(canFuseForward(loras, x, context(T))).toBe(true)
    expect(canFuseForward(loras, tensor(random(T - 1, narrow, 1)), context(T - 1))).toBe(false)
    expect(canFuseForward([square!.lora], x, context(T))).toBe(false)
    expect(canFuseForward(loras, x, context(T, { autocast: 'bfloat16' }))).toBe(false)
    const [down] = layers('float32', [narrow], wide)
    const dropping = new LoraLinear(down!.lora.base, down!.lora.lora_A, down!.lora.lora_B, {
      ...down!.lora.settings,
      dropout: 0.1,
    })
    expect(canFuseBackward(dropping, x, context(T, { dropout: { seed: 0, microstep: 0 } }))).toBe(false)
    expect(canFuseBackward(dropping, x, context(T))).toBe(true)
    asGpu(false)
    expect(canFuseForward(loras, x, context(T))).toBe(false)
  })
})
