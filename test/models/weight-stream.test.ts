import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { WeightStream } from '../../src/models/weight-stream'
import { SafetensorsSource } from '../../src/models/weights'
import { quantizeWeight, WeightQuantizer, type QuantizeOptions } from '../../src/quantization/quantize'
import { disposeWeight, isNested, type Weight4bit } from '../../src/quantization/weight-4bit'
import { Device } from '../../src/tensor/device'
import { copy } from '../../src/tensor/ops'
import { Generator } from '../../src/tensor/random'
import { save_safetensors } from '../../src/tensor/safetensors'
import type { Tensor } from '../../src/tensor/tensor'
import { temporaryFolder } from '../files/support/temporary'
import { liveBytes } from './tiny'

const SLICE = 16 << 10
const device = Device.get()

/** A folder with one float32 matrix 'w' that is several slices and no whole number of them. */
async function matrix(): Promise<{ source: SafetensorsSource; w: Tensor; file: string }> {
  const folder = await temporaryFolder()
  const w = device.empty([131, 257])
  new Generator(3).normal(w, 0, 1)
  const file = join(folder, 'model.safetensors')
  await save_safetensors(file, { w })
  const source = await SafetensorsSource.open(folder)
  onTestFinished(async () => {
    w.dispose()
    await source.close()
  })
  return { source, w, file }
}

async function quantizedBy(stream: WeightStream, options: QuantizeOptions = {}): Promise<Weight4bit> {
  const quantizer = await stream.quantized(
    'w',
    (shape, dtype) => new WeightQuantizer(device, shape, dtype, options),
  )
  return quantizer.finish()
}

async function bytesOf(weight: Weight4bit): Promise<unknown[]> {
  const { codes, absmax } = weight
  const parts = isNested(absmax) ? [absmax.q, absmax.absmax, absmax.offset] : [absmax]
  return Promise.all([codes, ...parts].map((tensor) => tensor.bytes()))
}

it.each([
  ['float32', false],
  ['float32', true],
  ['bfloat16', true],
] as const)(
  'a matrix quantized in slices has the bits of one quantized whole: %s, nested %s',
  async (dtype, nested) => {
    const { source, w } = await matrix()
    const stream = new WeightStream(source, device, dtype, undefined, SLICE)
    const options = { compress_statistics: nested }
    const sliced = await quantizedBy(stream, options)
    using converted = device.empty(w.shape, dtype)
    copy(w, converted)
    const whole = quantizeWeight(converted, options)
    expect(sliced.shape).toEqual([131, 257])
    expect(sliced.dtype).toBe(dtype)
    expect(await bytesOf(sliced)).toEqual(await bytesOf(whole))
    disposeWeight(sliced)
    disposeWeight(whole)
  },
)

it('a tensor converted in slices has the bits of one converted whole', async () => {
  const { source, w } = await matrix()
  using loaded = await new WeightStream(source, device, 'bfloat16', undefined, SLICE).tensor('w')
  using converted = device.empty(w.shape, 'bfloat16')
  copy(w, converted)
  expect(await loaded.bytes()).toEqual(await converted.bytes())
})

it('a few slices are in memory at a time, not the matrix', async () => {
  const { source } = await matrix()
  const before = await liveBytes()
  device.resetPeakMemory()
  const weight = await quantizedBy(new WeightStream(source, device, 'float32', undefined, SLICE))
  await device.synchronize()
  const held = weight.codes.nbytes + 131 * 257 * 4 * (1 / 64)
  expect(device.memoryStats().peak - before).toBeLessThan(held + 5 * SLICE)
  expect(131 * 257 * 4).toBeGreaterThan(8 * SLICE)
  disposeWeight(weight)
})

it('an abort or a file that ends early leaves nothing behind', async () => {
  const { source, file } = await matrix()
  const before = await liveBytes()
  const controller = new AbortController()
  const stream = new WeightStream(source, device, 'float32', controller.signal, SLICE)
  const loading = quantizedBy(stream)
  controller.abort()
  await expect(loading).rejects.toThrow('aborted')
  stream.finite.dispose()
  expect(await liveBytes()).toBeLessThanOrEqual(before)

  const { truncate } = await import('node:fs/promises')
  await truncate(file, 5 * SLICE)
  const broken = new WeightStream(source, device, 'float32', undefined, SLICE)
  await expect(quantizedBy(broken)).rejects.toThrow(`${file}: ends at offset ${5 * SLICE}`)
  await expect(broken.tensor('w')).rejects.toThrow(`${file}: ends at offset`) // nothing new is begun
  broken.finite.dispose()
  expect(await liveBytes()).toBeLessThanOrEqual(before)
})
