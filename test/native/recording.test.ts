import { expect, it } from 'vitest'
import { addon } from '../../src/native/addon'
import { Device } from '../../src/tensor/device'
import { add, gatherRows } from '../../src/tensor/ops'
import { Recording } from '../../src/tensor/recording'
import { Tensor } from '../../src/tensor/tensor'

const device = Device.get('cpu')

it('keeps operations, runs them in order at each replay, and sees what tensors hold by then', async () => {
  using x = Tensor.from([1, 2])
  using total = Tensor.from([0, 0])
  const recording = new Recording(device, () => {
    const double = device.empty([2])
    add(x, x, double)
    add(total, double, total)
    double.dispose()
  })
  expect(await total.data()).toEqual(Float32Array.of(0, 0))
  recording.replay()
  x.write(new Uint8Array(Float32Array.of(10, 20).buffer))
  recording.replay()
  expect(await total.data()).toEqual(Float32Array.of(22, 44))
  recording.dispose()
  expect(() => recording.replay()).toThrow('[Recording.replay] the recording was disposed')
})

it('holds its tensors until it is disposed of', async () => {
  await device.synchronize()
  const before = device.memoryStats().allocated
  const x = Tensor.from(new Float32Array(1000))
  const out = device.empty([1000])
  const recording = new Recording(device, () => add(x, x, out))
  x.dispose()
  out.dispose()
  recording.replay()
  await device.synchronize()
  expect(device.memoryStats().allocated - before).toBeGreaterThanOrEqual(8000)
  recording.dispose()
  await device.synchronize()
  expect(device.memoryStats().allocated).toBeLessThanOrEqual(before)
})

it('refuses what cannot be repeated, and is over when its body throws', async () => {
  using x = Tensor.from([1])
  expect(() => new Recording(device, () => x.write(new Uint8Array(4)))).toThrow(
    '[tensor_write] is no operation: it cannot be recorded',
  )
  expect(() => new Recording(device, () => new Recording(device, () => {}))).toThrow('[record]')
  // A promise that the queue settles would not wait for what is only recorded.
  for (const [name, call] of [
    ['synchronize', () => addon().synchronize(device.handle)],
    ['quantize_ggml', () => addon().quantize_ggml(x.handle, 'Q8_0')],
    ['tensor_read', () => addon().tensor_read(x.handle)],
  ] as const)
    expect(() => new Recording(device, () => void call()), name).toThrow(
      `[${name}] is no operation: it cannot be recorded`,
    )
  const stop = new Error('stop')
  expect(() => {
    new Recording(device, () => {
      throw stop
    })
  }).toThrow(stop)
  add(x, x, x)
  expect(await x.data()).toEqual(Float32Array.of(2))
})

it('a replay that fails rejects the next promise with the name of its operation', async () => {
  using x = Tensor.from([1, 2], { shape: [2, 1] })
  using index = Tensor.from(Int32Array.of(1))
  using out = device.empty([1, 1])
  const recording = new Recording(device, () => gatherRows(x, index, out))
  recording.replay()
  expect(await out.data()).toEqual(Float32Array.of(2))
  index.write(new Uint8Array(Int32Array.of(7).buffer))
  recording.replay()
  await expect(out.data()).rejects.toThrow('[gather_rows] index[0] is 7; x has 2 rows')
  expect(() => addon().replay({} as never)).toThrow('[replay] argument 0: expected a recording handle')
  recording.dispose()
})
