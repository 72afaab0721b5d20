import { readFile, readdir, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { hf_hub_download } from '../../src/files/hub'
import { withLock } from '../../src/files/lock'
import { compileFiles, downloadInChild } from './support/hub-child'
import { cleanHubEnvironment, startHub } from './support/hub-case'
import { sha256 } from './support/hub-server'
import { temporaryFolder } from './support/temporary'

cleanHubEnvironment()

test('processes that want the same file at once all get it whole, over one download', async () => {
  const { hub, folder, big } = await startHub()
  const compiled = await compileFiles()
  const paths = await Promise.all([1, 2, 3].map(() => downloadInChild(compiled).output))
  for (const path of paths) expect((await readFile(path)).equals(big)).toBe(true)
  expect(await readdir(join(folder, 'blobs'))).toEqual([sha256(big)])
  expect(hub.ranges()).toHaveLength(2) // redirect and content
})

test('a process killed in mid-download: the next takes over its lock and its bytes', async () => {
  const { hub, cache, big } = await startHub()
  hub.faults.push({ kind: 'stall', after: 100_000 })
  const { child, output, started } = downloadInChild(await compileFiles())
  await started
  child.kill('SIGKILL')
  await output
  expect(await readdir(join(cache, '.locks/models--owner--name'))).toEqual([`${sha256(big)}.held`])
  const path = await hf_hub_download({ repo_id: 'owner/name', filename: 'big.bin' })
  expect((await readFile(path)).equals(big)).toBe(true)
  expect(hub.ranges().at(-1)).toMatch(/^bytes=[1-9]\d*-$/)
  expect(await readdir(join(cache, '.locks/models--owner--name'))).toEqual([])
})

test('the lock is held by one at a time and given back on failure', async () => {
  const path = join(await temporaryFolder(), 'a/lock')
  let inside = 0
  const work = async (): Promise<void> => {
    expect(++inside).toBe(1)
    await new Promise((done) => setTimeout(done, 5))
    inside--
    throw new Error('failed')
  }
  const results = await Promise.allSettled([1, 2, 3].map(() => withLock(path, undefined, work)))
  expect(results.map((result) => result.status === 'rejected' && String(result.reason))).toEqual(
    Array(3).fill('Error: failed'),
  )
  expect(await readdir(join(path, '..'))).toEqual([])
})

test('a lock of another machine is respected while its heartbeat is fresh, taken when it is old', async () => {
  const path = join(await temporaryFolder(), 'lock')
  await writeFile(path, JSON.stringify({ host: `not-${hostname()}`, pid: process.pid, id: 'x' }))
  await expect(withLock(path, AbortSignal.timeout(250), async () => 'mine')).rejects.toThrow(/timeout/)
  await utimes(path, 0, 0)
  expect(await withLock(path, undefined, async () => 'mine')).toBe('mine')
})
