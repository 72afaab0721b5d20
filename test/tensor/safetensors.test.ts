import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { SafetensorsFile } from '../../src/files/safetensors'
import { writeSafetensors } from '../../src/files/safetensors-write'
import { load_safetensors, save_safetensors } from '../../src/tensor/safetensors'
import { Tensor } from '../../src/tensor/tensor'
import { limitDisk } from '../files/support/disk-full'
import { temporaryFolder } from '../files/support/temporary'
import { liveBytes } from '../models/tiny'

const made = (): Record<string, Tensor> => ({
  'a.weight': Tensor.from([1.5, -2, 3, 4, 5, 6], { shape: [2, 3] }),
  half: Tensor.from([1, 2 ** -24], { dtype: 'float16' }),
  brain: Tensor.from([1, 3.140625], { dtype: 'bfloat16', shape: [1, 2, 1] }),
  ids: Tensor.from([1, -2], { dtype: 'int32' }),
  long: Tensor.from(BigInt64Array.of(2n ** 60n)),
  codes: Tensor.from(Uint8Array.of(1, 2, 255)),
  nothing: Tensor.from([], { shape: [0, 4] }),
})

it('tensors of every dtype come back with names, shapes and bytes', async () => {
  const path = join(await temporaryFolder(), 'new', 'x.safetensors')
  const tensors = made()
  await save_safetensors(path, tensors, { format: 'pt', note: 'hello' })
  const loaded = await load_safetensors(path)
  expect(Object.keys(loaded).sort()).toEqual(Object.keys(tensors).sort())
  for (const [name, tensor] of Object.entries(tensors)) {
    expect([loaded[name]!.shape, loaded[name]!.dtype]).toEqual([tensor.shape, tensor.dtype])
    expect(await loaded[name]!.bytes()).toEqual(await tensor.bytes())
  }
  const file = await SafetensorsFile.open(path)
  expect(file.metadata).toEqual({ format: 'pt', note: 'hello' })
  await file.close()
})

it("metadata is { format: 'pt' } unless given", async () => {
  const path = join(await temporaryFolder(), 'x.safetensors')
  await save_safetensors(path, { x: Tensor.from([1]) })
  const file = await SafetensorsFile.open(path)
  expect(file.metadata).toEqual({ format: 'pt' })
  await file.close()
})

it('a file that is missing or cut short is named, and no memory is kept', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'x.safetensors')
  await expect(load_safetensors(path)).rejects.toThrow(`${path}: no such file`)
  await save_safetensors(path, { a: Tensor.from([1, 2]), b: Tensor.from(new Float32Array(100)) })
  const before = await liveBytes()
  await truncate(path, 300)
  await expect(load_safetensors(path)).rejects.toThrow(path)
  await writeFile(path, 'not a safetensors file at all')
  await expect(load_safetensors(path)).rejects.toThrow('the file is truncated or no safetensors file')
  expect(await liveBytes()).toBeLessThanOrEqual(before)
})

it('a dtype without a tensor type is named with those there are', async () => {
  const path = join(await temporaryFolder(), 'x.safetensors')
  await writeSafetensors(path, [{ name: 'x', dtype: 'F64', shape: [1], data: new Uint8Array(8) }])
  await expect(load_safetensors(path)).rejects.toThrow(
    "safetensors dtype 'F64' is not supported; supported: F32, BF16, F16, I32, I64, U8",
  )
})

it('an unknown device is named', async () => {
  const path = join(await temporaryFolder(), 'x.safetensors')
  await save_safetensors(path, { x: Tensor.from([1]) })
  await expect(load_safetensors(path, 'tpu')).rejects.toThrow("'tpu'")
})

it('a full disk leaves the old file as it was and nothing half-written', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'x.safetensors')
  await save_safetensors(path, { x: Tensor.from([1]) })
  const old = await readFile(path)
  await limitDisk(200)
  await expect(save_safetensors(path, { x: Tensor.from(new Float32Array(500)) })).rejects.toThrow(
    `${path}: no space left on the disk`,
  )
  expect(await readdir(folder)).toEqual(['x.safetensors'])
  expect(await readFile(path)).toEqual(old)
})

it('a disposed tensor is refused before anything is written', async () => {
  const folder = await temporaryFolder()
  const x = Tensor.from([1])
  x.dispose()
  await expect(save_safetensors(join(folder, 'x.safetensors'), { x })).rejects.toThrow('disposed')
  expect(await readdir(folder)).toEqual([])
})
