import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { commitIter, createRepo, HubApiError, whoAmI, type CommitOperation } from '@huggingface/hub'
import { HubError } from './hub-error'
import { backOff, networkReason, PASSING, retryPolicy } from './hub-fetch'
import { isRepoId, type RepoType } from './hub-repo'
import { hubEndpoint, hubToken, isOffline } from './hub-settings'

export interface UploadOptions {
  repo_id: string
  /** Default: model. */
  repo_type?: RepoType | undefined
  /** All files below it are uploaded, except those whose name begins with a dot. */
  folder_path: string
  commit_message: string
  commit_description?: string | undefined
  /** For a new repository. */
  private: boolean
  token?: string | boolean | undefined
  revision?: string | undefined
  create_pr?: boolean | undefined
  signal?: AbortSignal | undefined
  /** Called with a file and the share of it that is uploaded. */
  progress?: ((path: string, done: number) => void) | undefined
}

/**
 * Uploads a folder to a repository of the hub in one commit. Returns the address of the repository, or of the
 * pull request. A missing repository is created. A part whose upload fails is sent again; a file that the hub
 * already has is not sent, so a failed call can be repeated.
 * @throws HubError without a token, without the right to write, or when the hub cannot be reached.
 */
export async function uploadFolder(options: UploadOptions): Promise<string> {
  const { repo_type: type = 'model', signal } = options
  if (isOffline())
    throw new HubError('Network', 'nothing can be uploaded: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set')
  const accessToken = await hubToken(options.token)
  if (accessToken === undefined)
    throw new HubError(
      'Unauthorized',
      'an upload needs an access token with the right to write: set HF_TOKEN, or give { token }',
    )
  const hubUrl = hubEndpoint()
  const access = { accessToken, hubUrl, fetch: persistentFetch(signal) }
  try {
    const name = await fullName(options.repo_id, access)
    const repo = { type, name } as const
    await createRepo({ ...access, repo, visibility: options.private ? 'private' : 'public' }).catch(
      (error: unknown) => {
        if (!(error instanceof HubApiError && error.statusCode === 409)) throw error // 409: it is there
      },
    )
    const steps = commitIter({
      ...access,
      repo,
      title: options.commit_message,
      ...(options.commit_description && { description: options.commit_description }),
      operations: await filesOf(options.folder_path),
      ...(options.revision !== undefined && { branch: options.revision }),
      ...(options.create_pr && { isPullRequest: true }),
      ...(signal && { abortSignal: signal }),
    })
    for (;;) {
      const step = await steps.next()
      if (step.done)
        return step.value?.pullRequestUrl ?? `${hubUrl}/${type === 'model' ? '' : `${type}s/`}${name}`
      const event = step.value
      if (event.event === 'fileProgress' && event.state === 'uploading')
        options.progress?.(event.path, event.progress)
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw explained(error, options.repo_id)
  }
}

/** `owner/name`; a name without owner is in the token's own account. */
async function fullName(id: string, access: Parameters<typeof whoAmI>[0]): Promise<string> {
  const full = id.includes('/') ? id : `${(await whoAmI(access)).name}/${id}`
  if (isRepoId(full)) return full
  throw new TypeError(`[push_to_hub] repo_id: got '${id}', needs 'owner/name' or a name`)
}

async function filesOf(folder: string): Promise<CommitOperation[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const paths = entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name))
  const operations = paths.map((path): CommitOperation => ({
    operation: 'addOrUpdate',
    path: relative(folder, path).split(sep).join('/'),
    content: pathToFileURL(path),
  }))
  const shown = operations.filter(
    ({ path }) => !(path as string).split('/').some((part) => part.startsWith('.')),
  )
  return shown.sort((a, b) => ((a.path as string) < (b.path as string) ? -1 : 1))
}

/** A `fetch` that retries after a pause when the connection fails or the server answers 408, 429 or 5xx. */
function persistentFetch(signal: AbortSignal | undefined): typeof fetch {
  return async (input, init) => {
    for (let attempt = 1; ; attempt++) {
      let retryAfter: string | null = null
      try {
        const response = await fetch(input, init)
        if (!PASSING.includes(response.status) || attempt >= retryPolicy.attempts) return response
        retryAfter = response.headers.get('retry-after')
        await response.body?.cancel()
      } catch (error) {
        signal?.throwIfAborted()
        if (attempt >= retryPolicy.attempts) throw error
      }
      await backOff(attempt, signal, retryAfter)
    }
  }
}

/** HubError removes tokens from the message, even if a server sent them. */
function explained(error: unknown, id: string): Error {
  if (error instanceof TypeError && error.message.startsWith('[push_to_hub]')) return error
  if (error instanceof HubApiError) {
    const { statusCode: status, message } = error
    const code = status === 401 ? 'Unauthorized' : status === 403 ? 'Forbidden' : 'Network'
    const hint = status === 401 || status === 403 ? '; the token needs the right to write there' : ''
    return new HubError(code, `the upload to '${id}' was refused (${status}: ${message})${hint}`, status)
  }
  return new HubError(
    'Network',
    `the upload to '${id}' broke: ${networkReason(error)}; call it again to go on`,
  )
}
