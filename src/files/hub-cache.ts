import { copyFile, mkdir, readFile, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { randomBytes } from 'node:crypto'
import { writeFileAtomic } from './atomic'
import { isCommit, type Repo } from './hub-repo'

const CACHEDIR_TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n' +
  '# This file is a cache directory tag.\n' +
  '# For information about cache directory tags, see:\n' +
  '#\thttps://bford.info/cachedir/\n'

/**
 * The cache folder of one repository, in the layout of Python's huggingface_hub: `blobs/<etag>`,
 * `refs/<revision>`, `snapshots/<commit>/<path>` as links to blobs, `.no_exist/<commit>/<path>`.
 */
export class RepoCache {
  readonly folder: string

  constructor(
    readonly cacheDir: string,
    readonly repo: Repo,
  ) {
    this.folder = join(cacheDir, folderName(repo))
  }

  blob(etag: string): string {
    return join(this.folder, 'blobs', etag)
  }

  lock(etag: string): string {
    // Not Python's <etag>.lock: that file is locked by flock and stays when it is free; our file exists only
    // while it is held.
    return join(this.cacheDir, '.locks', folderName(this.repo), `${etag}.held`)
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit)
  }

  pointer(commit: string, filename: string): string {
    return join(this.snapshot(commit), ...filename.split('/'))
  }

  /** The commit of the revision, if the cache knows it. */
  async commit(): Promise<string | undefined> {
    const { revision } = this.repo
    if (isCommit(revision)) return revision
    const text = await readFile(this.refPath(), 'utf8').catch(() => '')
    return isCommit(text.trim()) ? text.trim() : undefined
  }

  /** Path of a cached file at the revision, if there is one. */
  async find(filename: string): Promise<string | undefined> {
    const commit = await this.commit()
    const path = commit && this.pointer(commit, filename)
    return path && (await sizeOf(path)) !== undefined ? path : undefined
  }

  /** Whether the hub once reported that this revision has no such file. */
  async isKnownAbsent(filename: string): Promise<boolean> {
    const commit = await this.commit()
    return commit !== undefined && (await sizeOf(this.absentMark(commit, filename))) !== undefined
  }

  /** Records that a commit lacks a file, and the commit of the revision. */
  async markAbsent(commit: string, filename: string): Promise<void> {
    const mark = this.absentMark(commit, filename)
    await mkdir(dirname(mark), { recursive: true })
    await writeFile(mark, '')
    await this.writeRef(commit)
  }

  /** Adds a complete blob to the snapshot: with a relative link, or a copy if links are impossible. */
  async link(commit: string, filename: string, etag: string): Promise<string> {
    const pointer = this.pointer(commit, filename)
    await mkdir(dirname(pointer), { recursive: true })
    // Under another name first: two processes may link the same file, and readers must always see it.
    const temporary = `${pointer}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
    try {
      await symlink(relative(dirname(pointer), this.blob(etag)), temporary).catch(() =>
        copyFile(this.blob(etag), temporary),
      )
      await rename(temporary, pointer)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    return pointer
  }

  /**
   * Records the commit of a branch or tag. This is last, so that a ref never leads to something that does not
   * exist yet.
   */
  async writeRef(commit: string): Promise<void> {
    if (this.repo.revision === commit || (await this.commit()) === commit) return
    await writeFileAtomic(this.refPath(), commit)
  }

  async tagCacheDir(): Promise<void> {
    await mkdir(this.cacheDir, { recursive: true })
    await writeFile(join(this.cacheDir, 'CACHEDIR.TAG'), CACHEDIR_TAG, { flag: 'wx' }).catch(() => undefined)
  }

  /** Paths of the revision's cached files, with forward slashes; undefined if it is not cached. */
  async files(): Promise<string[] | undefined> {
    const commit = await this.commit()
    if (!commit) return undefined
    const folder = this.snapshot(commit)
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => undefined)
    return entries
      ?.filter((entry) => !entry.isDirectory())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .sort()
  }

  private refPath(): string {
    return join(this.folder, 'refs', ...this.repo.revision.split('/'))
  }

  private absentMark(commit: string, filename: string): string {
    return join(this.folder, '.no_exist', commit, ...filename.split('/'))
  }
}

/** Size of a file (or of a link's target); undefined if there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.size,
    () => undefined,
  )
}

function folderName(repo: Repo): string {
  return [`${repo.type}s`, ...repo.id.split('/')].join('--')
}
