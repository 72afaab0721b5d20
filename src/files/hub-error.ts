import { describeRepo, type Repo } from './hub-repo'
import { knownTokens } from './hub-settings'

/** What went wrong. The first six are the hub's own distinctions, the others are ours. */
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

/** A failure of the hub layer; `code` tells callers apart what the message tells the user. */
export class HubError extends Error {
  override readonly name: string = 'HubError'

  constructor(
    readonly code: HubErrorCode,
    message: string,
    /** HTTP status, when the hub answered. */
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(withoutSecrets(message), options)
  }
}

/** Tokens, and names and passwords in addresses, do not stand in messages, also where a server echoes them. */
function withoutSecrets(text: string): string {
  let plain = text.replace(/\/\/[^/\s@]*@/g, '//')
  for (const token of knownTokens) plain = plain.replaceAll(token, '<token>')
  return plain
}

/** Turns an answer that is no success into an error that says what to do about it. */
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
  // Without a token the hub answers 401 for what is private and for what does not exist alike.
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
