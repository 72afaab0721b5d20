import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, vi } from 'vitest'
import { retryPolicy } from '../../../src/files/hub-fetch'
import { HubServer, type TestRepo } from './hub-server'
import { temporaryFolder } from './temporary'

export const COMMIT = 'c0ffee'.padEnd(40, '0')
export const NEXT_COMMIT = 'beef'.padEnd(40, '1')

/** Variables of the environment that the hub layer reads; tests start without them. */
const VARIABLES = [
  'HF_ENDPOINT',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HUGGINGFACE_HUB_CACHE',
  'XDG_CACHE_HOME',
  'HF_TOKEN',
  'HUGGING_FACE_HUB_TOKEN',
  'HF_TOKEN_PATH',
  'HF_HUB_DISABLE_IMPLICIT_TOKEN',
  'HF_HUB_OFFLINE',
  'TRANSFORMERS_OFFLINE',
  'HF_HUB_ETAG_TIMEOUT',
  'HF_HUB_DOWNLOAD_TIMEOUT',
]

/** Each test of the file starts with a clean environment and retries without pauses. */
export function cleanHubEnvironment(): void {
  const pause = retryPolicy.firstDelayMs
  beforeEach(() => {
    for (const name of VARIABLES) vi.stubEnv(name, undefined)
    retryPolicy.firstDelayMs = 1
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    retryPolicy.firstDelayMs = pause
  })
}

export interface HubCase {
  hub: HubServer
  repo: TestRepo
  /** The cache folder that HF_HOME leads to. */
  cache: string
  /** The repository's folder in it. */
  folder: string
  big: Buffer
}

/** A running hub with the model `owner/name` (files config.json, sub/notes.txt, big.bin of 300,000 random bytes). */
export async function startHub(): Promise<HubCase> {
  const hub = await HubServer.start()
  const big = randomBytes(300_000)
  const files = {
    'config.json': Buffer.from('{"a": 1}'),
    'sub/notes.txt': Buffer.from('notes'),
    'big.bin': big,
  }
  const repo: TestRepo = { key: 'model/owner/name', commit: COMMIT, files }
  hub.repos.push(repo)
  const home = await temporaryFolder()
  vi.stubEnv('HF_ENDPOINT', `${hub.endpoint}/`)
  vi.stubEnv('HF_HOME', home)
  const cache = join(home, 'hub')
  return { hub, repo, cache, folder: join(cache, 'models--owner--name'), big }
}
