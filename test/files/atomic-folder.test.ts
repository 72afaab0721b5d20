import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, expect, test, vi } from 'vitest'
import { writeFileAtomic } from '../../src/files/atomic'
import { replaceFolder } from '../../src/files/atomic-folder'
import { digestOf, type FileDigest } from '../../src/files/digest'
import { disk } from '../../src/files/disk'
import { writeSafetensors } from '../../src/files/safetensors-write'
import { temporaryFolder } from './support/temporary'

afterEach(() => vi.restoreAllMocks())

/** Counts the flushes of each file or folder. */
function countFlushes(): Map<string, number> {
  const flushes = new Map<string, number>()
  const open = disk.open
  vi.spyOn(disk, 'open').mockImplementation(async (...given) => {
    const file = await open(...given)
    const sync = file.sync.bind(file)
    file.sync = () => {
      const path = String(given[0])
      flushes.set(path, (flushes.get(path) ?? 0) + 1)
      return sync()
    }
    return file
  })
  return flushes
}

test('files of a new folder are flushed once each, and their sums are those of what was written', async () => {
  const parent = await temporaryFolder()
  const flushes = countFlushes()
  const digests = new Map<string, FileDigest>()
  let temporary = ''
  const write = async (folder: string): Promise<void> => {
    temporary = folder
    await writeFileAtomic(join(folder, 'a.json'), 'first')
    await writeFileAtomic(join(folder, 'a.json'), '{"a":1}')
    const data = new Uint8Array(Float32Array.of(1, 2, 3).buffer)
    await writeSafetensors(join(folder, 'w.safetensors'), [{ name: 'w', dtype: 'F32', shape: [3], data }])
    await writeFileAtomic(join(folder, 'deep/b.txt'), 'b')
    await writeFile(join(folder, 'c.txt'), 'by somebody else')
    expect((await readdir(folder)).sort()).toEqual(['a.json', 'c.txt', 'deep', 'w.safetensors'])
  }
  await replaceFolder(join(parent, 'x'), write, digests)

  expect(digests.get('a.json')).toEqual({ bytes: 7, crc32: crc32('{"a":1}') })
  expect([...digests.keys()].sort()).toEqual(['a.json', 'w.safetensors'])
  expect(digests.get('w.safetensors')).toEqual(await digestOf(join(parent, 'x/w.safetensors')))
  expect(flushes.get(join(temporary, 'w.safetensors'))).toBe(1)
  expect(flushes.get(join(temporary, 'c.txt'))).toBe(1)
  expect(flushes.get(temporary)).toBe(1)
  expect(await readFile(join(parent, 'x/deep/b.txt'), 'utf8')).toBe('b')
  expect(await readdir(parent)).toEqual(['x'])
})

test('after a failure nothing is left, and a folder of that name is written as any other', async () => {
  const parent = await temporaryFolder()
  let temporary = ''
  const fails = replaceFolder(join(parent, 'x'), async (folder) => {
    temporary = folder
    await writeFileAtomic(join(folder, 'a'), 'a')
    throw new Error('stop')
  })
  await expect(fails).rejects.toThrow('stop')
  expect(await readdir(parent)).toEqual([])
  // No longer one that is being filled: the file is renamed into place.
  const renamed = vi.spyOn(disk, 'rename')
  await writeFileAtomic(join(temporary, 'a'), 'a')
  expect(renamed).toHaveBeenCalledTimes(1)
})
