import { writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { hubCacheDir, hubEndpoint, hubTimeoutMs, hubToken, isOffline } from '../../src/files/hub-settings'
import { cleanHubEnvironment } from './support/hub-case'
import { temporaryFolder } from './support/temporary'

cleanHubEnvironment()

test('where the cache is', () => {
  expect(hubCacheDir()).toBe(join(homedir(), '.cache/huggingface/hub'))
  vi.stubEnv('XDG_CACHE_HOME', '/xdg')
  expect(hubCacheDir()).toBe('/xdg/huggingface/hub')
  vi.stubEnv('HF_HOME', '~/hf')
  expect(hubCacheDir()).toBe(join(homedir(), 'hf/hub'))
  vi.stubEnv('HUGGINGFACE_HUB_CACHE', '/old')
  expect(hubCacheDir()).toBe('/old')
  vi.stubEnv('PLACE', '/disk')
  vi.stubEnv('HF_HUB_CACHE', '$PLACE/${PLACE}')
  expect(hubCacheDir()).toBe('/disk//disk')
})

test('endpoint, offline, timeouts', () => {
  expect(hubEndpoint()).toBe('https://huggingface.co')
  expect(isOffline()).toBe(false)
  expect(hubTimeoutMs('HF_HUB_ETAG_TIMEOUT')).toBe(10_000)
  vi.stubEnv('HF_ENDPOINT', 'http://mirror/')
  vi.stubEnv('TRANSFORMERS_OFFLINE', 'Yes')
  vi.stubEnv('HF_HUB_ETAG_TIMEOUT', '2.5')
  expect(hubEndpoint()).toBe('http://mirror')
  expect(isOffline()).toBe(true)
  expect(hubTimeoutMs('HF_HUB_ETAG_TIMEOUT')).toBe(2500)
  vi.stubEnv('HF_HUB_OFFLINE', '0')
  expect(isOffline()).toBe(false)
})

test('where the token comes from', async () => {
  const home = await temporaryFolder()
  vi.stubEnv('HF_HOME', home)
  expect(await hubToken()).toBeUndefined()
  await expect(hubToken(true)).rejects.toThrow(/needs an access token in HF_TOKEN or in .*token; found none/)
  await writeFile(join(home, 'token'), 'from-home\n')
  expect(await hubToken()).toBe('from-home')
  await writeFile(join(home, 'other'), 'from-path')
  vi.stubEnv('HF_TOKEN_PATH', join(home, 'other'))
  expect(await hubToken()).toBe('from-path')
  vi.stubEnv('HUGGING_FACE_HUB_TOKEN', 'old')
  expect(await hubToken()).toBe('old')
  vi.stubEnv('HF_TOKEN', ' new ')
  expect(await hubToken()).toBe('new')
  expect(await hubToken(false)).toBeUndefined()
  expect(await hubToken('given')).toBe('given')
  vi.stubEnv('HF_HUB_DISABLE_IMPLICIT_TOKEN', '1')
  expect(await hubToken()).toBeUndefined()
  expect(await hubToken(true)).toBe('new')
})
