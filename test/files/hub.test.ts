import { lstat, readFile, readdir, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { hf_hub_download, list_repo_files, resolve_file, snapshot_download } from '../../src/files/hub'
import { logger } from '../../src/logging'
import { cleanHubEnvironment, COMMIT, NEXT_COMMIT, startHub } from './support/hub-case'
import { closedEndpoint, gitSha1, sha256 } from './support/hub-server'
import { temporaryFolder } from './support/temporary'

cleanHubEnvironment()
const repo_id = 'owner/name'

test("lays the cache out as Python's huggingface_hub does", async () => {
  const { hub, folder, cache, big } = await startHub()
  const path = await hf_hub_download({ repo_id, filename: 'big.bin' })
  expect(path).toBe(join(folder, 'snapshots', COMMIT, 'big.bin'))
  expect(await readlink(path)).toBe(join('..', '..', 'blobs', sha256(big)))
  expect((await readFile(path)).equals(big)).toBe(true)
  // Sizes and ranges would be those of the compressed bytes otherwise.
  expect(hub.requests.map(({ encoding }) => encoding)).toEqual(['identity', 'identity', 'identity'])
  const nested = await hf_hub_download({ repo_id, filename: 'sub/notes.txt' })
  expect(await readlink(nested)).toBe(join('..', '..', '..', 'blobs', gitSha1(Buffer.from('notes'))))
  expect(await readFile(nested, 'utf8')).toBe('notes')
  expect(await readFile(join(folder, 'refs/main'), 'utf8')).toBe(COMMIT)
  expect((await readdir(join(folder, 'blobs'))).sort()).toEqual(
    [sha256(big), gitSha1(Buffer.from('notes'))].sort(),
  )
  expect(await readFile(join(cache, 'CACHEDIR.TAG'), 'utf8')).toMatch(
    /^Signature: 8a477f597d28d172789f06886806bc55\n/,
  )
  expect(await readdir(join(cache, '.locks/models--owner--name'))).toEqual([])
})

test('what is cached is not fetched again; a new commit is', async () => {
  const { hub, repo, folder } = await startHub()
  const path = await hf_hub_download({ repo_id, filename: 'config.json' })
  expect(await hf_hub_download({ repo_id, filename: 'config.json' })).toBe(path)
  expect(hub.ranges()).toHaveLength(1)
  repo.commit = NEXT_COMMIT
  repo.files['sub/notes.txt'] = Buffer.from('new notes')
  const next = await hf_hub_download({ repo_id, filename: 'config.json' })
  expect(next).toContain(NEXT_COMMIT)
  expect(hub.ranges()).toHaveLength(1) // the same blob, linked anew
  expect(await readFile(next, 'utf8')).toBe('{"a": 1}')
  expect(await readFile(join(folder, 'refs/main'), 'utf8')).toBe(NEXT_COMMIT)
})

test('a cached commit needs no hub at all', async () => {
  const { hub } = await startHub()
  await hf_hub_download({ repo_id, filename: 'config.json' })
  const before = hub.requests.length
  await hf_hub_download({ repo_id, filename: 'config.json', revision: COMMIT })
  expect(hub.requests).toHaveLength(before)
})

test('a blob of the wrong size in the cache is replaced', async () => {
  const { folder, big } = await startHub()
  const path = await hf_hub_download({ repo_id, filename: 'big.bin' })
  await writeFile(join(folder, 'blobs', sha256(big)), 'cut short')
  await hf_hub_download({ repo_id, filename: 'big.bin' })
  expect((await readFile(path)).equals(big)).toBe(true)
})

test('revisions with slashes, data sets, names without owner, an own cache_dir', async () => {
  const { hub } = await startHub()
  const cache_dir = await temporaryFolder()
  const files = { 'data/a b#1.csv': Buffer.from('x,y') }
  hub.repos.push({ key: 'dataset/squad', commit: COMMIT, files })
  const options = { repo_id: 'squad', repo_type: 'dataset', revision: 'refs/pr/1', cache_dir } as const
  const path = await hf_hub_download({ ...options, filename: 'data/a b#1.csv' })
  expect(path).toBe(join(cache_dir, 'datasets--squad/snapshots', COMMIT, 'data/a b#1.csv'))
  expect(await readFile(join(cache_dir, 'datasets--squad/refs/refs/pr/1'), 'utf8')).toBe(COMMIT)
  expect(await list_repo_files(options)).toEqual(['data/a b#1.csv'])
})

test('a renamed repository is followed', async () => {
  const { hub } = await startHub()
  hub.repos.push({ key: 'model/old/name', commit: COMMIT, files: {}, renamedTo: 'owner/name' })
  const path = await hf_hub_download({ repo_id: 'old/name', filename: 'config.json' })
  expect(await readFile(path, 'utf8')).toBe('{"a": 1}')
})

test('the token goes to the hub, never to the storage it redirects to', async () => {
  const { hub, repo } = await startHub()
  repo.token = 'secret'
  await expect(hf_hub_download({ repo_id, filename: 'big.bin' })).rejects.toMatchObject({
    code: 'RepoNotFound',
  })
  vi.stubEnv('HF_TOKEN', 'secret')
  await hf_hub_download({ repo_id, filename: 'big.bin' })
  await expect(list_repo_files({ repo_id, token: 'wrong' })).rejects.toThrow(/is private; check the name/)
  expect(await list_repo_files({ repo_id })).toContain('big.bin')
  const storage = hub.requests.filter(({ url }) => url.startsWith('/blob/'))
  expect(storage.map(({ token }) => token)).toEqual([undefined])
  hub.strayPages = true
  await expect(list_repo_files({ repo_id })).rejects.toThrow('404')
  expect(hub.requests.at(-1)).toMatchObject({ url: expect.stringContaining('/tree/'), token: undefined })
})

describe('offline', () => {
  test.each(['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'])('%s: only the cache is used', async (variable) => {
    const { hub } = await startHub()
    const path = await hf_hub_download({ repo_id, filename: 'config.json' })
    const before = hub.requests.length
    vi.stubEnv(variable, '1')
    expect(await hf_hub_download({ repo_id, filename: 'config.json' })).toBe(path)
    expect(await snapshot_download({ repo_id })).toBe(join(path, '..'))
    expect(await list_repo_files({ repo_id })).toEqual(['config.json'])
    await expect(hf_hub_download({ repo_id, filename: 'big.bin' })).rejects.toThrow(
      /'big\.bin' is not in the cache, which has config\.json/,
    )
    expect(await resolve_file(repo_id, 'big.bin')).toBeUndefined()
    for (const ask of [
      () => resolve_file('other/model', 'x'),
      () => snapshot_download({ repo_id: 'other/model' }),
    ]) {
      await expect(ask()).rejects.toThrow(
        /model 'other\/model' \(revision main\) is not in the cache .*HF_HUB_OFFLINE/,
      )
    }
    await expect(list_repo_files({ repo_id: 'other/model' })).rejects.toMatchObject({
      code: 'LocalEntryNotFound',
    })
    expect(hub.requests).toHaveLength(before)
  })

  test('local_files_only does the same for one call', async () => {
    await startHub()
    const options = { repo_id, filename: 'config.json' }
    await expect(hf_hub_download({ ...options, local_files_only: true })).rejects.toMatchObject({
      code: 'LocalEntryNotFound',
    })
    await hf_hub_download(options)
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    await expect(hf_hub_download({ ...options, local_files_only: false })).resolves.toContain('config.json')
  })

  test('an unreachable hub: the cached file with a warning, else an error', async () => {
    await startHub()
    const path = await hf_hub_download({ repo_id, filename: 'config.json' })
    vi.stubEnv('HF_ENDPOINT', await closedEndpoint())
    const warning = vi.spyOn(logger, 'warning').mockImplementation(() => undefined)
    expect(await hf_hub_download({ repo_id, filename: 'config.json' })).toBe(path)
    expect(await snapshot_download({ repo_id })).toBe(join(path, '..'))
    expect(warning.mock.calls.map(([text]) => text)).toEqual([
      expect.stringMatching(/using the cached 'config\.json': .*no answer after 1 attempts: .*ECONNREFUSED/),
      expect.stringMatching(/using what is cached: .*no answer after 1 attempts/),
    ])
    warning.mockRestore()
    await expect(hf_hub_download({ repo_id, filename: 'big.bin' })).rejects.toThrow(
      /no answer after 5 attempts/,
    )
  })
})

describe('files that do not exist', () => {
  test('are marked, and a commit is not asked twice', async () => {
    const { hub, folder } = await startHub()
    expect(await resolve_file(repo_id, 'nope.json')).toBeUndefined()
    expect((await lstat(join(folder, '.no_exist', COMMIT, 'nope.json'))).size).toBe(0)
    expect(await readFile(join(folder, 'refs/main'), 'utf8')).toBe(COMMIT)
    const before = hub.requests.length
    expect(await resolve_file(repo_id, 'nope.json', { revision: COMMIT })).toBeUndefined()
    expect(await resolve_file(repo_id, 'nope.json', { local_files_only: true })).toBeUndefined()
    expect(hub.requests).toHaveLength(before)
    await expect(hf_hub_download({ repo_id, filename: 'nope.json' })).rejects.toThrow(
      /model 'owner\/name' \(revision main\) has no file 'nope\.json' \(404/,
    )
  })
})

describe('refusals are explained', () => {
  test.each([
    [{ status: 401, code: 'GatedRepo' }, 'GatedRepo', /is gated: accept its terms.*HF_TOKEN/],
    [
      { status: 403, code: 'GatedRepo', message: 'not in the list' },
      'GatedRepo',
      /\(403: not in the list, http/,
    ],
    [
      { status: 401, message: 'Invalid credentials in Authorization header' },
      'Unauthorized',
      /not accept the access token/,
    ],
    [
      { status: 404, code: 'RepoNotFound' },
      'RepoNotFound',
      /does not exist, or is private; check the name and repo_type/,
    ],
    [{ status: 403 }, 'Forbidden', /the token lacks the right/],
    [{ status: 404 }, 'RepoNotFound', /not found \(file 'config\.json'\)/],
  ])('%j', async (refusal, code, message) => {
    const { repo } = await startHub()
    repo.refusal = refusal
    const error: unknown = await hf_hub_download({ repo_id, filename: 'config.json' }).catch(
      (thrown) => thrown,
    )
    expect(error).toMatchObject({ code, status: refusal.status, message: expect.stringMatching(message) })
  })

  test('an unknown revision and an unknown repository', async () => {
    await startHub()
    await expect(hf_hub_download({ repo_id, filename: 'config.json', revision: 'v9' })).rejects.toThrow(
      "model 'owner/name' has no revision 'v9' (404",
    )
    await expect(list_repo_files({ repo_id: 'no/body' })).rejects.toThrow(
      "model 'no/body' (revision main) does not exist",
    )
  })

  test('a server that is no hub', async () => {
    const { hub } = await startHub()
    hub.plain = true
    await expect(hf_hub_download({ repo_id, filename: 'config.json' })).rejects.toThrow(
      /expected X-Repo-Commit, ETag/,
    )
  })

  test.each([
    [{ repo_id: '../x', filename: 'a' }, "repo_id '../x': expected 'name' or 'owner/name'"],
    [{ repo_id: 'a/b/c', filename: 'a' }, 'expected'],
    [{ repo_id, filename: '../../x' }, "filename '../../x': expected a relative path"],
    [{ repo_id, filename: '/etc/x' }, 'expected a relative path'],
    [{ repo_id, filename: 'a', revision: '../x' }, "revision '../x': expected"],
    [
      { repo_id, filename: 'a', repo_type: 'kernel' as 'model' },
      "repo_type 'kernel': expected model, dataset",
    ],
  ])('%j', async (options, message) => {
    await startHub()
    await expect(hf_hub_download(options)).rejects.toThrow(message)
  })
})

describe('snapshot_download', () => {
  test('brings all files or those that match', async () => {
    const { hub, repo, folder } = await startHub()
    const part = await snapshot_download({
      repo_id,
      allow_patterns: ['*.json', 'sub/'],
      ignore_patterns: 'con*',
    })
    expect(part).toBe(join(folder, 'snapshots', COMMIT))
    expect(await readdir(part, { recursive: true })).toEqual(['sub', 'sub/notes.txt'])
    for (let i = 0; i < 9; i++) repo.files[`f${i}`] = Buffer.from(`file ${i}`)
    const all = await snapshot_download({ repo_id })
    expect((await readdir(all)).length).toBe(12)
    expect(await readFile(join(all, 'f8'), 'utf8')).toBe('file 8')
    expect(await readFile(join(folder, 'refs/main'), 'utf8')).toBe(COMMIT)
    expect(hub.ranges().filter((range) => range !== undefined)).toEqual([])
  })

  test('no match names the files there are; one failing file fails it all', async () => {
    const { hub } = await startHub()
    await expect(snapshot_download({ repo_id, allow_patterns: '*.gguf' })).rejects.toThrow(
      'no file matches; it has config.json, sub/notes.txt, big.bin',
    )
    for (let i = 0; i < 3; i++) hub.faults.push({ kind: 'status', status: 403 })
    await expect(snapshot_download({ repo_id })).rejects.toMatchObject({ code: 'Forbidden' })
  })
})

test('resolve_file: folders, and names that are neither folder nor repository', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'config.json'), '{}')
  expect(await resolve_file(folder, 'config.json')).toBe(join(folder, 'config.json'))
  expect(await resolve_file(folder, 'x.json')).toBeUndefined()
  await expect(resolve_file(join(folder, 'none'), 'config.json')).rejects.toThrow(
    /none' is neither a folder nor a repo/,
  )
})
