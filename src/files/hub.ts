import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { logger } from '../logging'
import { checkNames, show } from '../options/parse'
import { filterPaths } from './glob'
import { RepoCache, sizeOf } from './hub-cache'
import { downloadBlob, type DownloadProgress } from './hub-download'
import { HubError } from './hub-error'
import { withLock } from './lock'
import { type Asking, EntryNotFoundError, fileMetadata, repoCommit, repoFiles } from './hub-metadata'
import { checkFilename, describeRepo, isCommit, isRepoId, type RepoType, toRepo } from './hub-repo'
import { hubCacheDir, hubToken, isOffline } from './hub-settings'

export { HubError, type HubErrorCode } from './hub-error'
export type { DownloadProgress } from './hub-download'
export type { RepoType } from './hub-repo'

/** The options of all functions of the hub layer. */
export interface HubOptions {
  /** Default: model. */
  repo_type?: RepoType | undefined
  /** Branch, tag or commit hash. Default: main. */
  revision?: string | undefined
  /** Default: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. */
  cache_dir?: string | undefined
  /** A token; false: send none; true: require one; default: HF_TOKEN or the token file, if any. */
  token?: string | boolean | undefined
  /** Use only the cache. Default: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE. */
  local_files_only?: boolean | undefined
  signal?: AbortSignal | undefined
  progress?: DownloadProgress | undefined
}

const hubNames = [
  'repo_type',
  'revision',
  'cache_dir',
  'token',
  'local_files_only',
  'signal',
  'progress',
] as const satisfies readonly (keyof HubOptions)[]

/**
 * Path of one file of a repository in the local cache; it is downloaded if necessary. The cache is that of
 * Python's huggingface_hub. An interrupted download continues; size and hash are checked. If the hub cannot be
 * reached, a cached file is used, with a warning.
 *
 * @throws HubError (see its `code`): no such repository, revision or file, gated, unreachable, wrong content.
 */
export async function hf_hub_download(
  options: HubOptions & { repo_id: string; filename: string },
): Promise<string> {
  checkNames('hf_hub_download', options, [...hubNames, 'repo_id', 'filename'])
  const { filename } = options
  checkFilename(filename)
  const cache = new RepoCache(options.cache_dir ?? hubCacheDir(), toRepo(options))
  const cached = await cache.find(filename)
  const lacks = !cached && (await cache.isKnownAbsent(filename))
  // A commit never changes: its cached files need no request.
  if (isCommit(cache.repo.revision)) {
    if (cached) return cached
    if (lacks) throw absent(cache, filename)
  }
  if (options.local_files_only ?? isOffline()) return cached ?? (await throwNotCached(cache, filename))
  try {
    // With a cached answer one attempt is enough; without one it is worth waiting for the hub.
    return await refresh(cache, filename, options, cached || lacks ? { attempts: 1 } : {})
  } catch (error) {
    if (!isUnreachable(error)) throw error
    if (lacks) throw absent(cache, filename)
    if (!cached) throw error
    logger.warning(`${describeRepo(cache.repo)}: using the cached '${filename}': ${error.message}`)
    return cached
  }
}

/** Asks the hub for the revision's current commit, and downloads the file unless it is cached. */
async function refresh(
  cache: RepoCache,
  filename: string,
  options: HubOptions,
  more: { attempts?: number },
): Promise<string> {
  const { repo } = cache
  const asking = { ...(await askingOf(options)), ...more }
  const { commit, etag, size } = await fileMetadata(repo, filename, asking).catch(async (error: unknown) => {
    if (error instanceof EntryNotFoundError && error.commit) {
      await cache.markAbsent(error.commit, filename).catch((fault: unknown) => logger.debug(String(fault)))
    }
    throw error
  })
  const pointer = cache.pointer(commit, filename)
  if ((await sizeOf(pointer)) !== size) {
    await cache.tagCacheDir()
    const { token, signal } = asking
    await withLock(cache.lock(etag), signal, async () => {
      // Another process may have downloaded it while we waited.
      const blob = cache.blob(etag)
      if ((await sizeOf(blob)) !== size) {
        const { progress } = options
        await downloadBlob(blob, {
          repo: { ...repo, revision: commit },
          filename,
          etag,
          size,
          token,
          signal,
          progress,
        })
      }
      await cache.link(commit, filename, etag)
    })
  }
  // The cache may be read-only; that a ref cannot be updated is then no error.
  await cache.writeRef(commit).catch((error: unknown) => logger.debug(String(error)))
  return pointer
}

/** Names of a repository's files; offline, only the cached ones. Throws HubError. */
export async function list_repo_files(options: HubOptions & { repo_id: string }): Promise<string[]> {
  checkNames('list_repo_files', options, [...hubNames, 'repo_id'])
  const repo = toRepo(options)
  if (!(options.local_files_only ?? isOffline())) return repoFiles(repo, await askingOf(options))
  const files = await new RepoCache(options.cache_dir ?? hubCacheDir(), repo).files()
  if (files) return files
  throw new HubError(
    'LocalEntryNotFound',
    `${describeRepo(repo)} is not in the cache, and the hub may not be asked`,
  )
}

/**
 * Downloads all files of a repository, or those that match, four at a time, and returns the snapshot's folder.
 * If the hub cannot be reached, the cached files are used, with a warning.
 *
 * @param options.allow_patterns - patterns of files to download, such as `*.json`; default: all
 * @param options.ignore_patterns - patterns of files to skip
 */
export async function snapshot_download(
  options: HubOptions & {
    repo_id: string
    allow_patterns?: string | readonly string[] | undefined
    ignore_patterns?: string | readonly string[] | undefined
  },
): Promise<string> {
  checkNames('snapshot_download', options, [...hubNames, 'repo_id', 'allow_patterns', 'ignore_patterns'])
  const cache = new RepoCache(options.cache_dir ?? hubCacheDir(), toRepo(options))
  const known = await cache.commit()
  const cached = known !== undefined && (await cache.files()) ? cache.snapshot(known) : undefined
  if (options.local_files_only ?? isOffline()) return cached ?? (await throwNotCached(cache))
  try {
    const asking = { ...(await askingOf(options)), ...(cached ? { attempts: 1 } : {}) }
    const commit = isCommit(cache.repo.revision) ? cache.repo.revision : await repoCommit(cache.repo, asking)
    const files = await repoFiles({ ...cache.repo, revision: commit }, asking)
    const { allow_patterns, ignore_patterns, ...rest } = options
    const queue = filterPaths(files, allow_patterns, ignore_patterns)
    if (queue.length === 0)
      throw new Error(`${describeRepo(cache.repo)}: no file matches; it has ${files.join(', ')}`)
    await downloadFour(queue, { ...rest, revision: commit })
    await cache.writeRef(commit)
    return cache.snapshot(commit)
  } catch (error) {
    if (!cached || !isUnreachable(error)) throw error
    logger.warning(`${describeRepo(cache.repo)}: using what is cached: ${error.message}`)
    return cached
  }
}

/** Four at a time; the first failure stops the others, which keep their partial files for the next attempt. */
async function downloadFour(queue: string[], options: HubOptions & { repo_id: string }): Promise<void> {
  const failed = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal
  const worker = async (): Promise<void> => {
    for (let filename = queue.shift(); filename !== undefined; filename = queue.shift()) {
      await hf_hub_download({ ...options, filename, signal })
    }
  }
  const workers = Array.from({ length: 4 }, () =>
    worker().catch((error: unknown) => {
      failed.abort(error)
      throw error
    }),
  )
  // All must have closed their files before we return.
  await Promise.allSettled(workers)
  await Promise.all(workers)
}

/**
 * Path of a file of a model or data set, given by folder or repository id. Undefined if there is no such file
 * (or if, offline, the repository is cached without it).
 *
 * @throws Error when `name_or_path` is neither a folder nor a repository id; HubError like {@link
 * hf_hub_download}.
 */
export async function resolve_file(
  name_or_path: string,
  filename: string,
  options: HubOptions = {},
): Promise<string | undefined> {
  checkFilename(filename)
  requireName(name_or_path)
  const folder = await stat(name_or_path).catch(() => undefined)
  if (folder?.isDirectory()) {
    const path = join(name_or_path, filename)
    return (await sizeOf(path)) === undefined ? undefined : path
  }
  if (!isRepoId(name_or_path)) {
    throw new Error(`'${name_or_path}' is neither a folder nor a repository id ('owner/name')`)
  }
  try {
    return await hf_hub_download({ ...options, repo_id: name_or_path, filename })
  } catch (error) {
    if (error instanceof HubError && error.code === 'EntryNotFound') return undefined
    throw error
  }
}

/** @throws TypeError when it is not a text, which plain JavaScript may pass. */
export function requireName(name: unknown): void {
  if (typeof name !== 'string')
    throw new TypeError(
      `the name of a model or data set: got ${show(name)}, needs a folder or a repository id ('owner/name')`,
    )
}

async function askingOf(options: HubOptions): Promise<Asking> {
  return { token: await hubToken(options.token), signal: options.signal }
}

function isUnreachable(error: unknown): error is HubError {
  return error instanceof HubError && error.code === 'Network'
}

function absent(cache: RepoCache, filename: string): HubError {
  return new HubError(
    'EntryNotFound',
    `${describeRepo(cache.repo)} has no file '${filename}' (as the cache remembers)`,
  )
}

/**
 * Offline: reports whether the revision is cached without the file (which it may not have) or not cached at
 * all.
 */
async function throwNotCached(cache: RepoCache, filename?: string): Promise<never> {
  const files = await cache.files()
  if (filename !== undefined && (files || (await cache.isKnownAbsent(filename)))) {
    const seen = files?.join(', ') || 'nothing'
    throw new HubError(
      'EntryNotFound',
      `${describeRepo(cache.repo)}: '${filename}' is not in the cache, which has ${seen}`,
    )
  }
  throw new HubError(
    'LocalEntryNotFound',
    `${describeRepo(cache.repo)} is not in the cache ${cache.cacheDir}, and the hub may not be asked ` +
      '(local_files_only, HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)',
  )
}
