import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

// The environment is read at each call, so a notebook cell may set `process.env` at any time.

/** `HF_ENDPOINT`, else the public hub; without a trailing slash. */
export function hubEndpoint(): string {
  return (env('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, '')
}

/** `HF_HUB_CACHE` (or its old name), else `HF_HOME`/hub, else ~/.cache/huggingface/hub. */
export function hubCacheDir(): string {
  return expandPath(env('HF_HUB_CACHE') ?? env('HUGGINGFACE_HUB_CACHE') ?? join(hubHome(), 'hub'))
}

/** True when `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE` is 1, on, yes or true. */
export function isOffline(): boolean {
  return isTrue(env('HF_HUB_OFFLINE') ?? env('TRANSFORMERS_OFFLINE'))
}

/**
 * The access token: `token` if it is a string, none for `false`, else `HF_TOKEN`, else the file
 * `HF_TOKEN_PATH`, else `HF_HOME`/token (written by `hf auth login`).
 *
 * @throws Error when `token` is `true` and there is none.
 */
export async function hubToken(token?: string | boolean): Promise<string | undefined> {
  const found = await findToken(token)
  if (found !== undefined && !/^[\x21-\x7e]+$/.test(found))
    throw new Error('the access token has a space, a line break or another character that no token has')
  if (found !== undefined) knownTokens.add(found)
  return found
}

/** Tokens used so far, so that they can be removed from messages. */
export const knownTokens: Set<string> = new Set()

async function findToken(token?: string | boolean): Promise<string | undefined> {
  if (typeof token === 'string') return token === '' ? undefined : token
  if (token === false || (token === undefined && isTrue(env('HF_HUB_DISABLE_IMPLICIT_TOKEN'))))
    return undefined
  const file = expandPath(env('HF_TOKEN_PATH') ?? join(hubHome(), 'token'))
  const found =
    env('HF_TOKEN')?.trim() ||
    env('HUGGING_FACE_HUB_TOKEN')?.trim() ||
    (await readFile(file, 'utf8').catch(() => '')).trim() ||
    undefined
  if (token === true && !found) {
    throw new Error(`token: true needs an access token in HF_TOKEN or in ${file}; found none`)
  }
  return found
}

/**
 * Time limit without an answer (`HF_HUB_ETAG_TIMEOUT`) or without data (`HF_HUB_DOWNLOAD_TIMEOUT`); 10 s by
 * default.
 */
export function hubTimeoutMs(variable: 'HF_HUB_ETAG_TIMEOUT' | 'HF_HUB_DOWNLOAD_TIMEOUT'): number {
  const seconds = Number(env(variable))
  return seconds > 0 ? seconds * 1000 : 10_000
}

function hubHome(): string {
  const cache = env('XDG_CACHE_HOME') ?? join(homedir(), '.cache')
  return expandPath(env('HF_HOME') ?? join(cache, 'huggingface'))
}

/** An empty variable counts as unset. */
function env(name: string): string | undefined {
  return process.env[name] || undefined
}

function isTrue(value: string | undefined): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes(value?.toUpperCase() ?? '')
}

function expandPath(path: string): string {
  const expanded = path.replace(
    /\$(\w+)|\$\{(\w+)\}/g,
    (all, a, b) => process.env[String(a ?? b)] ?? String(all),
  )
  return expanded === '~' || expanded.startsWith('~/') ? join(homedir(), expanded.slice(1)) : expanded
}
