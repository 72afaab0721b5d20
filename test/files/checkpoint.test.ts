import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Checkpoint } from '../../src/files/checkpoint'
import { type SafetensorsEntry, writeSafetensors } from '../../src/files/safetensors-write'
import { golden } from '../support/shared'
import { temporaryFolder } from './support/temporary'

const entry = (name: string, value: number): SafetensorsEntry => ({
  name,
  dtype: 'U8',
  shape: [2],
  data: new Uint8Array([value, value]),
})

/** Two shards; `b` lies in both, the index takes it from the second. */
async function sharded(weightMap: Record<string, unknown>): Promise<string> {
  const folder = await temporaryFolder()
  await writeSafetensors(join(folder, 'model-00001-of-00002.safetensors'), [entry('a', 1), entry('b', 9)])
  await writeSafetensors(join(folder, 'model-00002-of-00002.safetensors'), [entry('b', 2)])
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }))
  return folder
}

test('one file', async () => {
  const checkpoint = await Checkpoint.open(golden('tiny-llama'))
  const info = checkpoint.tensors.get('lm_head.weight')!
  expect(info.file).toBe(golden('tiny-llama', 'model.safetensors'))
  expect((await checkpoint.read('lm_head.weight')).byteLength).toBe(info.nbytes)
  await checkpoint.close()
})

test('shards by the index', async () => {
  const folder = await sharded({
    a: 'model-00001-of-00002.safetensors',
    b: 'model-00002-of-00002.safetensors',
  })
  const checkpoint = await Checkpoint.open(folder)
  expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b'])
  expect(await checkpoint.read('a')).toEqual(new Uint8Array([1, 1]))
  expect(await checkpoint.read('b')).toEqual(new Uint8Array([2, 2]))
  expect(checkpoint.nbytes).toBe(4)
  await expect(checkpoint.read('c')).rejects.toThrow("no tensor 'c' among its 2 tensors")
  await checkpoint.close()
})

test('faults name the index, the shard and the tensor', async () => {
  const open = async (map: Record<string, unknown>): Promise<Checkpoint> =>
    Checkpoint.open(await sharded(map))
  await expect(open({ a: 'model-3.safetensors' })).rejects.toThrow(
    /index\.json: names shard 'model-3\.safetensors'/,
  )
  await expect(open({ c: 'model-00002-of-00002.safetensors' })).rejects.toThrow(
    "tensor 'c' should be in 'model-00002-of-00002.safetensors', which lacks it",
  )
  await expect(open({ a: '../x.safetensors' })).rejects.toThrow('expected a plain file name')
  const folder = await sharded({})
  await writeFile(join(folder, 'model.safetensors.index.json'), '{')
  await expect(Checkpoint.open(folder)).rejects.toThrow('index.json: not valid JSON')
  await writeFile(join(folder, 'model.safetensors.index.json'), '[]')
  await expect(Checkpoint.open(folder)).rejects.toThrow('expected a JSON object, got an array')
})

test('a folder without weights: the error lists what is there', async () => {
  const folder = await temporaryFolder()
  await expect(Checkpoint.open(folder)).rejects.toThrow('the folder holds nothing')
  await copyFile(golden('tiny-llama/config.json'), join(folder, 'config.json'))
  await writeFile(join(folder, 'pytorch_model.bin'), '')
  await expect(Checkpoint.open(folder)).rejects.toThrow(
    /no model\.safetensors and no model\.safetensors\.index\.json; the folder holds config\.json, pytorch_model\.bin/,
  )
  await expect(Checkpoint.open(join(folder, 'none'))).rejects.toThrow(/none: not a readable model folder/)
})
