import { datasetInfo, listFiles, modelInfo } from '@huggingface/hub'
import { HubError, explainResponse } from './hub-error'
import { hubFetch } from './hub-fetch'
import { describeRepo, isCommit, type Repo, resolveUrl } from './hub-repo'
import { hubEndpoint, hubTimeoutMs } from './hub-settings'

/** How to ask the hub: token, signal, number of attempts. */
export interface Asking {
  token: string | undefined
  signal: AbortSignal | undefined
  attempts?: number | undefined
}

/** The hub's information about a file. */
export interface FileMetadata {
  commit: string
  /** sha256 of a large file, git's blob hash of a small one: the name of the blob in the cache. */
  etag: string
  size: number
}

/** Thrown for a file that the repository does not have. The commit, if known, allows the cache to record this. */
export class EntryNotFoundError extends HubError {
  constructor(
    message: string,
    readonly commit: string | undefined,
  ) {
    super('EntryNotFound', message, 404)
  }
}

/** A file's commit, hash and size. Throws EntryNotFoundError or another HubError. */
export async function fileMetadata(repo: Repo, filename: string, asking: Asking): Promise<FileMetadata> {
  const response = await head(resolveUrl(repo, filename), asking)
  const { headers, status } = response
  const commit = headers.get('x-repo-commit') ?? undefined
  if (status >= 400) {
    const error = explainResponse(response, repo, filename)
    if (error.code !== 'EntryNotFound') throw error
    throw new EntryNotFoundError(error.message, commit && isCommit(commit) ? commit : undefined)
  }
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\/|"/g, '')
  const length = headers.get('x-linked-size') ?? headers.get('content-length')
  const size = Number(length)
  // All three become parts of paths or decide when a download is complete, so all of them are required.
  if (
    !commit ||
    !isCommit(commit) ||
    !/^[\w-]+$/.test(etag) ||
    length === null ||
    !Number.isSafeInteger(size)
  ) {
    throw new HubError(
      'Network',
      `${response.url}: not a hub's answer: expected X-Repo-Commit, ETag and a size; is HF_ENDPOINT right?`,
      status,
    )
  }
  return { commit, etag, size }
}

/**
 * A HEAD request that follows redirects within the hub (renamed repositories), but not to the storage behind
 * it.
 */
async function head(url: string, asking: Asking): Promise<Response> {
  for (let hops = 0; ; hops++) {
    const response = await hubFetch(url, {
      ...asking,
      method: 'HEAD',
      redirect: 'manual',
      timeoutMs: hubTimeoutMs('HF_HUB_ETAG_TIMEOUT'),
    })
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || !location || hops === 5) return response
    const next = new URL(location, url)
    if (next.origin !== new URL(url).origin || response.headers.has('x-repo-commit')) return response
    url = next.href
  }
}

/** The current commit of a revision. */
export async function repoCommit(repo: Repo, asking: Asking): Promise<string> {
  const { id: name, revision } = repo
  const params = { name, revision, additionalFields: ['sha' as const], ...transport(repo, asking) }
  const { sha } = repo.type === 'model' ? await modelInfo(params) : await datasetInfo(params)
  if (!isCommit(sha)) throw new HubError('Network', `${describeRepo(repo)}: the hub named no commit`)
  return sha
}

/** Paths of all files of a repository, in the hub's order. */
export async function repoFiles(repo: Repo, asking: Asking): Promise<string[]> {
  const files: string[] = []
  const listing = listFiles({
    repo: { name: repo.id, type: repo.type },
    recursive: true,
    // The client puts it into the address unchanged; a revision such as refs/pr/1 contains slashes.
    revision: encodeURIComponent(repo.revision),
    ...transport(repo, asking),
  })
  try {
    for await (const { path, type } of listing) if (type === 'file') files.push(path)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new HubError('Network', `${describeRepo(repo)}: the hub's listing of files is no list`, undefined, {
      cause: error,
    })
  }
  return files
}

/**
 * Address and fetch for @huggingface/hub: ours adds the token (theirs rejects tokens that do not begin with
 * hf_), retries, and explains failures.
 */
function transport(repo: Repo, asking: Asking): { hubUrl: string; fetch: typeof fetch } {
  const hubUrl = hubEndpoint()
  return {
    hubUrl,
    fetch: async (address) => {
      const url = String(address)
      // The next page's address comes from the answer; the token must not be sent to another host.
      const token = new URL(url).origin === new URL(hubUrl).origin ? asking.token : undefined
      const timeoutMs = hubTimeoutMs('HF_HUB_ETAG_TIMEOUT')
      const response = await hubFetch(url, { ...asking, token, timeoutMs })
      if (!response.ok) throw explainResponse(response, repo, undefined)
      return response
    },
  }
}
