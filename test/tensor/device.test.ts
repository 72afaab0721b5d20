import { expect, it } from 'vitest'
import { cuda } from '../../src/tensor/cuda'
import { Device } from '../../src/tensor/device'
import { parseDType, parseFloatDType } from '../../src/tensor/dtype'
import { fill, gatherRows, matmul } from '../../src/tensor/ops'
import { Tensor } from '../../src/tensor/tensor'

it('there is one object a name; an unknown name is refused', () => {
  expect(Device.get()).toBe(Device.get('cpu'))
  using tensor = Tensor.from([1], { device: 'cpu' })
  expect(tensor.device).toBe(Device.get('cpu'))
  expect(() => Device.get('cuda')).toThrow("'cuda'")
})

it('says its instruction set and threads', () => {
  const { info } = Device.get()
  expect(info['isa']).toMatch(/^(scalar|avx2|avx512|avx512_bf16|generic|base)/)
  expect(Number(info['num_threads'])).toBeGreaterThan(0)
})

it.each([0, -1, 1000])('%i threads are refused', (n) => {
  expect(() => Device.get().setNumThreads(n)).toThrow(`[set_num_threads] expected 1 to 256, got ${n}`)
})

it('peak memory is counted from the last reset', async () => {
  const device = Device.get()
  const made = Tensor.from(new Float32Array(1 << 18))
  await device.synchronize()
  made.dispose()
  await device.synchronize()
  const { allocated, peak } = device.memoryStats()
  expect(peak).toBeGreaterThanOrEqual(allocated + (1 << 20))
  device.resetPeakMemory()
  await device.synchronize()
  expect(device.memoryStats().peak).toBe(device.memoryStats().allocated)
  device.emptyCache()
  await device.synchronize()
  expect(device.memoryStats().reserved).toBe(device.memoryStats().allocated)
})

it('a pinned tensor is a tensor like any other; on the CPU its memory is the ordinary one', async () => {
  const device = Device.get()
  const before = device.memoryStats().allocated
  const pinned = device.emptyPinned([1 << 20], 'uint8')
  fill(pinned, 7)
  expect(new Set(await pinned.bytes())).toEqual(new Set([7]))
  const { allocated, pinned: inHostMemory } = device.memoryStats()
  expect([allocated - before, inHostMemory]).toEqual([1 << 20, 0])
  pinned.dispose()
})

it('a failure while running is told by the next wait, then the device works again', async () => {
  const device = Device.get()
  const [x, index, out] = [
    Tensor.from([1, 2], { shape: [2, 1] }),
    Tensor.from(Int32Array.of(5)),
    device.empty([1, 1]),
  ]
  gatherRows(x, index, out)
  await expect(device.synchronize()).rejects.toThrow('[gather_rows] index[0] is 5; x has 2 rows')
  await device.synchronize()
  const product = device.empty([2, 2])
  matmul(x, x, product, { transposeB: true })
  expect(Array.from(await product.data())).toEqual([1, 2, 2, 4])
})

it('dtypes go by their several names', () => {
  expect(
    ['torch.float16', 'half', 'fp16', 'bf16', 'torch.bfloat16', 'float', 'fp32', 'uint8'].map(parseDType),
  ).toEqual([...['float16', 'float16', 'float16', 'bfloat16', 'bfloat16', 'float32', 'float32', 'uint8']])
  expect(() => parseDType('float64')).toThrow(
    "unknown dtype 'float64'; known: float32, bfloat16, float16, int32, int64, uint8, int8",
  )
  expect(() => parseFloatDType('int64', 'here')).toThrow(
    'here: expected float32, bfloat16 or float16, got int64',
  )
})

it.skipIf(cuda.is_available())('without a GPU, cuda says why', () => {
  const { is_available, device_count, ...facts } = cuda
  expect([is_available(), device_count()]).toEqual([false, 0])
  expect(Object.keys(facts).length).toBeGreaterThan(8)
  for (const ask of Object.values(facts))
    expect(() => ask()).toThrow('[cuda] device 0 is not available: [device]')
})
