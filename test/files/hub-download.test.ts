import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { hf_hub_download } from '../../src/files/hub'
import { limitDisk } from './support/disk-full'
import { cleanHubEnvironment, COMMIT, startHub } from './support/hub-case'
import { sha256 } from './support/hub-server'

vi.mock('node:fs/promises', async (original) => ({ ...(await original<typeof fs>()) }))
cleanHubEnvironment()
const big = { repo_id: 'owner/name', filename: 'big.bin' }

test('broken connections and clean early ends are resumed where they stopped', async () => {
  const { hub, ...it } = await startHub()
  hub.faults.push(
    { kind: 'break', after: 100_000 },
    { kind: 'short', after: 50_000 },
    { kind: 'status', status: 503 },
  )
  const path = await hf_hub_download(big)
  expect((await readFile(path)).equals(it.big)).toBe(true)
  const starts = hub.ranges().filter((_, i) => i % 2 === 1) // each content request is a redirect and its target
  const offsets = starts.map((range) => Number(/bytes=(\d+)-$/.exec(range ?? 'bytes=0-')?.[1]))
  expect(offsets[0]).toBe(0)
  expect(offsets[1]).toBeGreaterThan(0)
  expect(offsets[2]).toBe(offsets[1]! + 50_000)
  expect(offsets[3]).toBe(offsets[2])
  expect(offsets).toHaveLength(4)
})

test('progress counts up to the total, beginning at what was there', async () => {
  const { hub, folder, big: data } = await startHub()
  await mkdir(join(folder, 'blobs'), { recursive: true })
  await writeFile(join(folder, 'blobs', `${sha256(data)}.qlora.incomplete`), data.subarray(0, 200_000))
  const seen: number[] = []
  await hf_hub_download({
    ...big,
    progress: ({ filename, received, total }) => {
      expect([filename, total]).toEqual(['big.bin', 300_000])
      seen.push(received)
    },
  })
  expect(seen[0]).toBeGreaterThan(200_000)
  expect(seen.at(-1)).toBe(300_000)
  expect(hub.ranges().at(-1)).toBe('bytes=200000-')
})

test.each([
  ['a complete one that was never renamed', (data: Buffer) => data],
  ['one with wrong bytes', () => Buffer.alloc(200_000, 7)],
  ['one that is too long', (data: Buffer) => Buffer.concat([data, data])],
  ['a complete one with wrong bytes', (data: Buffer) => Buffer.alloc(data.length, 7)],
])('a left-over file: %s', async (_name, make) => {
  const { folder, big: data } = await startHub()
  await mkdir(join(folder, 'blobs'), { recursive: true })
  await writeFile(join(folder, 'blobs', `${sha256(data)}.qlora.incomplete`), make(data))
  expect((await readFile(await hf_hub_download(big))).equals(data)).toBe(true)
  expect(await readdir(join(folder, 'blobs'))).toEqual([sha256(data)])
})

test('a flipped byte is noticed and fetched anew', async () => {
  const { hub, big: data } = await startHub()
  hub.faults.push({ kind: 'flip' })
  expect((await readFile(await hf_hub_download(big))).equals(data)).toBe(true)
})

test('a small file is checked by git hash', async () => {
  const { hub } = await startHub()
  hub.faults.push({ kind: 'flip' })
  const path = await hf_hub_download({ ...big, filename: 'config.json' })
  expect(await readFile(path, 'utf8')).toBe('{"a": 1}')
})

test('content that stays wrong is refused, and nothing of it stays', async () => {
  const { hub, folder, big: data } = await startHub()
  for (let i = 0; i < 3; i++) hub.faults.push({ kind: 'flip' })
  await expect(hf_hub_download(big)).rejects.toThrow(
    new RegExp(`big\\.bin: wrong content 3 times: hash [0-9a-f]{64}; expected ${sha256(data)}`),
  )
  expect(await readdir(join(folder, 'blobs'))).toEqual([])
  await expect(readdir(join(folder, 'snapshots'))).rejects.toThrow('ENOENT')
})

test.each([
  ['ignore-range', 2], // what comes is the whole file, taken from the start
  ['wrong-range', 3], // what comes is of no use
] as const)('after a break, a server with %s: %i connections', async (kind, connections) => {
  const { hub, big: data } = await startHub()
  hub.faults.push({ kind: 'break', after: 100_000 }, { kind })
  expect((await readFile(await hf_hub_download(big))).equals(data)).toBe(true)
  expect(hub.ranges()).toHaveLength(2 * connections) // redirect and content
})

test('more bytes than announced are not taken', async () => {
  const { hub, big: data } = await startHub()
  hub.faults.push({ kind: 'too-long' })
  const counts: number[] = []
  const path = await hf_hub_download({ ...big, progress: ({ received }) => counts.push(received) })
  expect((await readFile(path)).equals(data)).toBe(true)
  expect(Math.max(...counts)).toBe(300_000)
})

test('a connection that stalls is given up and resumed', async () => {
  const { hub, big: data } = await startHub()
  vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '0.2')
  hub.faults.push({ kind: 'stall', after: 1000 })
  expect((await readFile(await hf_hub_download(big))).equals(data)).toBe(true)
  expect(hub.ranges().at(-1)).toBe('bytes=1000-')
})

test('metadata requests are repeated on 5xx and 429', async () => {
  const { hub } = await startHub()
  hub.trouble.push(503, 429, 500)
  await hf_hub_download(big)
  expect(hub.requests.filter(({ method }) => method === 'HEAD')).toHaveLength(4)
})

test('a hub that stays down says so, and the next call resumes', async () => {
  const { hub, big: data } = await startHub()
  hub.faults.push({ kind: 'short', after: 1000 })
  for (let i = 0; i < 5; i++) hub.faults.push({ kind: 'status', status: 502 })
  await expect(hf_hub_download(big)).rejects.toThrow(/the hub answered 502/)
  expect((await readFile(await hf_hub_download(big))).equals(data)).toBe(true)
  expect(hub.ranges().at(-1)).toBe('bytes=1000-')
})

test('a server that sends nothing again and again', async () => {
  const { hub } = await startHub()
  for (let i = 0; i < 5; i++) hub.faults.push({ kind: 'short', after: 0 })
  await expect(hf_hub_download(big)).rejects.toThrow(
    /broke off 5 times in a row at byte 0 of 300000: ended after 0/,
  )
})

test('an abort keeps what has come', async () => {
  const { hub, folder, big: data } = await startHub()
  const abort = new AbortController()
  hub.faults.push({ kind: 'stall', after: 100_000 })
  const progress = ({ received }: { received: number }): void => {
    if (received === 100_000) abort.abort(new Error('enough'))
  }
  await expect(hf_hub_download({ ...big, signal: abort.signal, progress })).rejects.toThrow('enough')
  expect(await readdir(join(folder, 'blobs'))).toEqual([`${sha256(data)}.qlora.incomplete`])
  await hf_hub_download(big)
  expect(hub.ranges().at(-1)).toBe('bytes=100000-')
})

test('two calls at once download once', async () => {
  const { hub, big: data } = await startHub()
  const [a, b] = await Promise.all([hf_hub_download(big), hf_hub_download(big)])
  expect(a).toBe(b)
  expect((await readFile(a)).equals(data)).toBe(true)
  expect(hub.ranges()).toHaveLength(2) // redirect and content
})

test('an empty file', async () => {
  const { repo } = await startHub()
  repo.files['empty'] = Buffer.alloc(0)
  expect(await readFile(await hf_hub_download({ ...big, filename: 'empty' }), 'utf8')).toBe('')
})

test('a disk that fills up', async () => {
  const { folder, repo } = await startHub()
  repo.files['mid.bin'] = Buffer.alloc(5000, 1)
  await limitDisk(1000)
  await expect(hf_hub_download({ ...big, filename: 'mid.bin' })).rejects.toThrow(
    /no space left on the disk for 'mid\.bin' \(5000 bytes\)/,
  )
  await expect(readdir(join(folder, 'snapshots'))).rejects.toThrow('ENOENT')
})

test('where symbolic links are impossible, files are copied', async () => {
  const { folder, big: data } = await startHub()
  const spy = vi.spyOn(fs, 'symlink').mockRejectedValue(Object.assign(new Error('EPERM'), { code: 'EPERM' }))
  const path = await hf_hub_download(big)
  expect(spy).toHaveBeenCalled()
  spy.mockRestore()
  expect((await fs.lstat(path)).isSymbolicLink()).toBe(false)
  expect((await readFile(path)).equals(data)).toBe(true)
  expect(await readdir(join(folder, 'snapshots', COMMIT))).toEqual(['big.bin'])
})
