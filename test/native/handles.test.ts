import { copyFileSync, mkdtempSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { addon, addonPlaces } from '../../src/native/addon'
import type { NativeAddon } from '../../src/native/contract'

const native = addon()
const cpu = native.open_device('cpu')
const tensor = native.tensor_empty(cpu, 'float32', [2])

it('refuses the wrong kind of its own handles', () => {
  expect(() => native.fill(cpu as never, 1)).toThrow(
    '[fill] argument 0: expected a tensor handle of this addon, got another External',
  )
  expect(() => native.tensor_empty(tensor as never, 'float32', [2])).toThrow(
    '[tensor_empty] argument 0: expected a device handle of this addon, got another External',
  )
  expect(() => native.fill({} as never, 1)).toThrow('[fill] argument 0: expected a tensor handle')
})

it("refuses another addon's Externals without reading what they point to", () => {
  const copy = join(mkdtempSync(join(tmpdir(), 'qlora-addon-')), 'other.node')
  copyFileSync(addonPlaces().at(0)!, copy)
  const other = createRequire(__filename)(copy) as NativeAddon
  const device = other.open_device('cpu')
  const foreign = other.tensor_empty(device, 'float32', [2])
  for (const handle of [device, foreign])
    expect(() => native.fill(handle as never, 1)).toThrow('expected a tensor handle of this addon')
  expect(() => native.tensor_empty(device, 'float32', [2])).toThrow('expected a device handle of this addon')
  expect(() => native.tensor_release(foreign)).toThrow('expected a tensor handle of this addon')
  other.fill(foreign, 1)
})
