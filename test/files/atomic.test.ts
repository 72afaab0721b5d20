import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ensureFreeSpace, writeFileAtomic } from '../../src/files/atomic'
import { limitDisk } from './support/disk-full'
import { temporaryFolder } from './support/temporary'

test('replaces a file, creates its folders and leaves nothing beside it', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'a/b/config.json')
  await writeFileAtomic(path, 'old')
  await writeFileAtomic(path, '{"ü": 1}')
  expect(await readFile(path, 'utf8')).toBe('{"ü": 1}')
  expect(await readdir(join(folder, 'a/b'))).toEqual(['config.json'])
})

test('short writes are continued', async () => {
  const path = join(await temporaryFolder(), 'x')
  await limitDisk(100)
  await writeFileAtomic(path, 'twenty-three characters')
  expect(await readFile(path, 'utf8')).toBe('twenty-three characters')
})

test('a full disk keeps the old file, removes the temporary one and says so', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'x')
  await writeFile(path, 'old')
  await limitDisk(12)
  await expect(writeFileAtomic(path, 'twenty-three characters')).rejects.toThrow(
    /x: no space left on the disk \(\d+ bytes available\); nothing was written/,
  )
  expect(await readFile(path, 'utf8')).toBe('old')
  expect(await readdir(folder)).toEqual(['x'])
})

test('a target that is a folder is refused, nothing half-written', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'x'))
  await expect(writeFileAtomic(join(folder, 'x'), 'data')).rejects.toThrow(/x: could not be written: .*/)
  expect(await readdir(folder)).toEqual(['x'])
})

test('ensureFreeSpace names needed and available bytes', async () => {
  const folder = await temporaryFolder()
  await ensureFreeSpace(folder, 1)
  await expect(ensureFreeSpace(folder, 2 ** 50)).rejects.toThrow(
    /not enough disk space: 1125899906842624 bytes needed, \d+ bytes available/,
  )
})
