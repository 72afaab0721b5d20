import { describeRepo, type Repo } from './hub-repo'
import { knownTokens } from './hub-settings'

/** The kind of failure. The first six are those of the hub, the others are ours. */
export type HubErrorCode =
  | 'RepoNotFound'
  | 'GatedRepo'
  | 'RevisionNotFound'
  | 'EntryNotFound'
  | 'Unauthorized'
  | 'Forbidden'
  | 'LocalEntryNotFound'
  | 'Network'
  | 'Corrupt'

/** A failure of the hub layer; `code` is for programs, the message for users. */
export class HubError extends Error {
  override readonly name: string = 'HubError'

  constructor(
    readonly code: HubErrorCode,
    message: string,
    /** HTTP status, if the hub answered. */
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(withoutSecrets(message), options)
  }
}

/** Removes tokens, and names and passwords in addresses, from a message, even if a server sent them. */
function withoutSecrets(text: string): string {
  let plain = text.replace(/\/\/[^/\s@]*@/g, '//')
  for (const token of knownTokens) plain = plain.replaceAll(token, '<token>')
  return plain
}

/** Turns an unsuccessful answer into an error that says what to do. */
export function explainResponse(response: Response, repo: Repo, filename: string | undefined): HubError {
  const { status, headers } = response
  const [code, text] = reason(status, headers, repo, filename)
  const detail = headers.get('x-error-message')
  return new HubError(code, `${text} (${status}${detail ? `: ${detail}` : ''}, ${response.url})`, status)
}

function reason(status: number, headers: Headers, repo: Repo, filename?: string): [HubErrorCode, string] {
  const where = describeRepo(repo)
  const code = headers.get('x-error-code')
  const badToken = headers.get('x-error-message')?.startsWith('Invalid credentials') ?? false
  if (code === 'EntryNotFound') return ['EntryNotFound', `${where} has no file '${filename}'`]
  if (code === 'RevisionNotFound') {
    return ['RevisionNotFound', `${repo.type} '${repo.id}' has no revision '${repo.revision}'`]
  }
  if (code === 'GatedRepo') {
    return [
      'GatedRepo',
      `${where} is gated: accept its terms on its page on the hub, then set HF_TOKEN to a token of that account`,
    ]
  }
  if (status === 401 && badToken)
    return ['Unauthorized', `${where}: the hub does not accept the access token`]
  // Without a token the hub answers 401 both for private repositories and for those that do not exist.
  if (code === 'RepoNotFound' || status === 401) {
    return [
      'RepoNotFound',
      `${where} does not exist, or is private; check the name and repo_type, or set HF_TOKEN to a token that may read it`,
    ]
  }
  if (status === 403) return ['Forbidden', `${where}: access refused; the token lacks the right to read it`]
  if (status === 404) return ['RepoNotFound', `${where}: not found${filename ? ` (file '${filename}')` : ''}`]
  return ['Network', `${where}: the hub answered ${status}`]
}
