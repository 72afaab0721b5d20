import { hubEndpoint } from './hub-settings'

export type RepoType = 'model' | 'dataset'

/** One revision of one repository. */
export interface Repo {
  id: string
  type: RepoType
  /** Branch, tag or commit hash. */
  revision: string
}

const TYPES: readonly RepoType[] = ['model', 'dataset']

/** Checks the parts of paths and addresses. Throws an Error that describes the expected form. */
export function toRepo(options: {
  repo_id: string
  repo_type?: RepoType | undefined
  revision?: string | undefined
}): Repo {
  const { repo_id: id, repo_type: type = 'model', revision = 'main' } = options
  if (!isRepoId(id)) {
    throw new Error(`repo_id '${id}': expected 'name' or 'owner/name' of letters, digits, '-', '_', '.'`)
  }
  if (!TYPES.includes(type)) throw new Error(`repo_type '${String(type)}': expected ${TYPES.join(', ')}`)
  if (!isPlainPath(revision))
    throw new Error(`revision '${revision}': expected a branch, a tag or a commit hash`)
  return { id, type, revision }
}

/** Whether a name has the form of a repository id: `name` or `owner/name`. */
export function isRepoId(name: string): boolean {
  return /^(\w[\w.-]*\/)?\w[\w.-]*$/.test(name) && !/--|\.\./.test(name) && name.length <= 193
}

/** Throws unless `filename` is a path inside the repository, with forward slashes. */
export function checkFilename(filename: string): void {
  if (!isPlainPath(filename)) {
    throw new Error(`filename '${filename}': expected a relative path with forward slashes, without '..'`)
  }
}

/** Address of a file's content at a revision. */
export function resolveUrl(repo: Repo, filename: string): string {
  const prefix = repo.type === 'model' ? '' : 'datasets/'
  const path = filename.split('/').map(encodeURIComponent).join('/')
  return `${hubEndpoint()}/${prefix}${repo.id}/resolve/${encodeURIComponent(repo.revision)}/${path}`
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision)
}

/** A repository's name in messages: `dataset 'owner/name' (revision main)`. */
export function describeRepo(repo: Repo): string {
  return `${repo.type} '${repo.id}' (revision ${repo.revision})`
}

function isPlainPath(path: string): boolean {
  return (
    path !== '' && !/[\\\0:]/.test(path) && path.split('/').every((part) => !['', '.', '..'].includes(part))
  )
}
