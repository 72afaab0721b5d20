import { expect, it } from 'vitest'
import { addon } from '../../src/native/addon'
import { Device } from '../../src/tensor/device'
import { Tensor } from '../../src/tensor/tensor'

/** Held for the whole file: a collected handle would change the memory that the scope test counts. */
const held: Tensor[] = []
function from(...args: Parameters<typeof Tensor.from>): Tensor {
  const t = Tensor.from(...args)
  held.push(t)
  return t
}

it('round-trips values of every dtype', async () => {
  const values = [0, -1.5, 3, 65504, 1e-7, 2.5]
  expect(await from(values).data()).toEqual(Float32Array.from(values))
  expect(Array.from(await from([1, 2, 3], { dtype: 'int32' }).data())).toEqual([1, 2, 3])
  expect(await from(BigInt64Array.from([1n, -2n])).data()).toEqual(BigInt64Array.from([1n, -2n]))
  expect(await from(Uint8Array.from([1, 255])).data()).toEqual(Uint8Array.from([1, 255]))
  const half = await from([...values, 65520, 2 ** -24, 2 ** -25, 1 + 2 ** -11], { dtype: 'float16' }).data()
  expect(Array.from(half)).toEqual(
    [0, -1.5, 3, 65504, 2 ** -23, 2.5, Infinity, 2 ** -24, 0, 1].map((v, i) =>
      i === 4 ? Math.round(1e-7 * 2 ** 24) * 2 ** -24 : v,
    ),
  )
  const brain = await from([1 + 2 ** -8, 1 + 3 * 2 ** -8, NaN], { dtype: 'bfloat16' }).data()
  expect(Array.from(brain)).toEqual([1, 1 + 2 ** -6, NaN])
})

it('refuses a shape that does not fit', () => {
  expect(() => from([1, 2, 3], { shape: [2, 2] })).toThrow('(2, 2) has 4 elements, the array has 3')
})

it('a disposed tensor is refused by name of the operation', () => {
  const t = from([1, 2])
  t.dispose()
  expect(() => addon().fill(t.handle, 1)).toThrow('[fill] argument 0: tensor of shape (2) was disposed')
})

it('views share memory and are checked against the bytes there are', async () => {
  const t = from([1, 2, 3, 4, 5, 6], { shape: [3, 2] })
  expect(Array.from(await t.slice(1, 3).data())).toEqual([3, 4, 5, 6])
  expect(() => t.view([2, 2], 4)).toThrow('needs 16 bytes')
})

it('a scope frees what it made, and memory is taken only when something runs', async () => {
  const device = Device.get('cpu')
  await device.synchronize()
  const before = device.memoryStats().allocated
  const scope = device.scope()
  const a = scope.empty([1024, 1024])
  scope.empty([1 << 30])
  expect(device.memoryStats().allocated).toBe(before)
  a.write(new Uint8Array(4 << 20))
  await device.synchronize()
  expect(device.memoryStats().allocated).toBe(before + (4 << 20))
  scope.dispose()
  await device.synchronize()
  expect(device.memoryStats().allocated).toBe(before)
})

it('a failing read names the file and the process lives on', async () => {
  const t = Device.get('cpu').empty([4])
  await expect(addon().tensor_read_file(t.handle, '/nonexistent/file', 0)).rejects.toThrow(
    '/nonexistent/file: cannot open',
  )
  expect(Array.from(await from([7]).data())).toEqual([7])
})
