import { describe, expect, it } from 'vitest'
import { Parking } from '../../src/models/parking'
import { addon, withAddon } from '../../src/native/addon'
import type { NativeAddon } from '../../src/native/contract'
import { Device } from '../../src/tensor/device'
import { Tensor } from '../../src/tensor/tensor'
import { liveBytes } from './tiny'

const device = Device.get('cpu')

/** The calls of the memory functions and copies that `body` makes, in order. */
function calls(body: () => void): string[] {
  const real = addon()
  const names: string[] = []
  const watching = ['start_copy', 'finish_copy', 'tensor_release', 'tensor_empty_pinned', 'tensor_empty']
  const functions = new Proxy(real, {
    get: (target, name: keyof NativeAddon) => {
      if (watching.includes(name)) names.push(name)
      return target[name]
    },
  })
  withAddon(functions, body)
  return names
}

describe('a tensor that is parked', () => {
  it('comes back with its values, to its place and its scope', async () => {
    const before = await liveBytes()
    const scope = device.scope()
    const holder = { x: scope.add(Tensor.from([1, 2, 3])) }
    const left = holder.x
    const parking = new Parking(device)
    parking.park(4, left, scope, (t) => (holder.x = t))
    parking.settle()
    expect(left.isDisposed).toBe(true)
    parking.fetch(4)
    parking.arrive(4)
    expect(holder.x).not.toBe(left)
    expect([...(await holder.x.data())]).toEqual([1, 2, 3])
    scope.dispose()
    expect(await liveBytes()).toBe(before)
  })

  it('is freed after its copy is waited for, and found only after the copy back is', () => {
    using scope = device.scope()
    const x = scope.add(Tensor.from([1, 2, 3]))
    const parking = new Parking(device)
    expect(calls(() => parking.park(0, x, scope, () => {}))).toEqual(['tensor_empty_pinned', 'start_copy'])
    expect(calls(() => parking.settle())).toEqual(['finish_copy', 'tensor_release'])
    expect(calls(() => parking.fetch(0))).toEqual(['tensor_empty', 'start_copy'])
    expect(calls(() => parking.arrive(0))).toEqual(['finish_copy', 'tensor_release'])
  })

  it('leaves nothing behind when a pass ends early, wherever it was', async () => {
    const before = await liveBytes()
    for (const far of [0, 1, 2]) {
      using scope = device.scope()
      using parking = new Parking(device)
      parking.park(0, scope.add(Tensor.from([1, 2])), scope, () => {})
      if (far > 0) parking.settle()
      if (far > 1) parking.fetch(0)
    }
    expect(await liveBytes()).toBe(before)
  })
})

it('start_copy wants equal shapes and dtypes', () => {
  using scope = device.scope()
  const x = scope.empty([4])
  expect(() => addon().start_copy(x.handle, scope.empty([5]).handle)).toThrow('[start_copy] out')
  expect(() => addon().start_copy(x.handle, scope.empty([4], 'bfloat16').handle)).toThrow('[start_copy] out')
})
