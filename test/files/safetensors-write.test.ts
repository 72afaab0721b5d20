import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SafetensorsFile } from '../../src/files/safetensors'
import { type SafetensorsEntry, writeSafetensors } from '../../src/files/safetensors-write'
import { golden } from '../support/shared'
import { limitDisk } from './support/disk-full'
import { temporaryFolder } from './support/temporary'

const bytes = (n: number, fill = 1): Uint8Array => new Uint8Array(n).fill(fill)

test.each(['tiny-llama/model.safetensors', 'tiny-llama-nf4/model.safetensors'])(
  "rewrites Python's %s byte for byte, whatever the order of entries",
  async (name) => {
    const source = await SafetensorsFile.open(golden(name))
    const entries = [...source.tensors.values()]
      .reverse()
      .map((info): SafetensorsEntry => ({ ...info, data: () => source.read(info.name) }))
    const path = join(await temporaryFolder(), 'copy.safetensors')
    await writeSafetensors(path, entries, source.metadata)
    await source.close()
    expect((await readFile(path)).equals(await readFile(golden(name)))).toBe(true)
  },
)

test('streams an async iterable, one tensor at a time, reporting progress', async () => {
  const path = join(await temporaryFolder(), 'new/x.safetensors')
  const log: string[] = []
  async function* entries(): AsyncGenerator<SafetensorsEntry> {
    for (const name of ['b', 'ä', 'a']) {
      yield { name, dtype: 'U8', shape: [3], data: async () => (log.push(name), bytes(3)) }
    }
  }
  await writeSafetensors(path, entries(), {}, { progress: (done, total) => log.push(`${done}/${total}`) })
  expect(log).toEqual(['a', '3/9', 'b', '6/9', 'ä', '9/9'])
  const raw = await readFile(path)
  expect(Number(raw.readBigUInt64LE()) % 8).toBe(0)
  const file = await SafetensorsFile.open(path)
  expect(file.metadata).toEqual({})
  expect(await file.read('ä')).toEqual(bytes(3))
  await file.close()
})

test('refuses wrong sizes, doubled, reserved names and unknown types; the old file stays', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'x.safetensors')
  await writeFile(path, 'old')
  const entry: SafetensorsEntry = { name: 'a', dtype: 'F32', shape: [2], data: bytes(8) }
  const write = (...entries: SafetensorsEntry[]): Promise<void> => writeSafetensors(path, entries)
  await expect(write({ ...entry, data: bytes(7) })).rejects.toThrow(
    /x\.safetensors.*'a' gave 7 bytes; expected 8/,
  )
  await expect(write(entry, entry)).rejects.toThrow("tensor name 'a' is given twice")
  await expect(write({ ...entry, name: '__metadata__' })).rejects.toThrow('is reserved')
  await expect(write({ ...entry, shape: [-2] })).rejects.toThrow('cannot store dtype F32 with shape [-2]')
  await expect(write({ ...entry, dtype: 'F33' as 'F32' })).rejects.toThrow('cannot store dtype F33')
  await expect(write({ ...entry, data: () => Promise.reject(new Error('device lost')) })).rejects.toThrow(
    'device lost',
  )
  expect(await readdir(folder)).toEqual(['x.safetensors'])
  expect(await readFile(path, 'utf8')).toBe('old')
})

test('a disk that fills up while writing: clear error, old file kept, nothing left over', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'x.safetensors')
  await writeFile(path, 'old')
  await limitDisk(150)
  const entries: SafetensorsEntry[] = [{ name: 'a', dtype: 'U8', shape: [1000], data: bytes(1000) }]
  await expect(writeSafetensors(path, entries)).rejects.toThrow(/x\.safetensors: no space left on the disk/)
  expect(await readdir(folder)).toEqual(['x.safetensors'])
  expect(await readFile(path, 'utf8')).toBe('old')
})

test('a disk that is too small from the start is refused before anything is written', async () => {
  const folder = await temporaryFolder()
  const data = (): Promise<Uint8Array> => Promise.reject(new Error('must not be asked'))
  const huge: SafetensorsEntry = { name: 'a', dtype: 'U8', shape: [2 ** 46], data }
  await expect(writeSafetensors(join(folder, 'x'), [huge])).rejects.toThrow(
    /not enough disk space: 70368744177\d+ bytes/,
  )
  expect(await readdir(folder)).toEqual([])
})

test('an abort between tensors leaves nothing', async () => {
  const folder = await temporaryFolder()
  const abort = new AbortController()
  const data = (): Promise<Uint8Array> => (abort.abort(), Promise.resolve(bytes(1)))
  const entries = ['a', 'b'].map((name): SafetensorsEntry => ({ name, dtype: 'U8', shape: [1], data }))
  await expect(writeSafetensors(join(folder, 'x'), entries, {}, { signal: abort.signal })).rejects.toThrow(
    /abort/i,
  )
  expect(await readdir(folder)).toEqual([])
})
