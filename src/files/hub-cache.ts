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
 * The cache folder of one repository, laid out as Python's huggingface_hub does: `blobs/<etag>`, `refs/<revision>`,
 * `snapshots/<commit>/<path>` linking into blobs, `.no_exist/<commit>/<path>`.
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
    // Not Python's <etag>.lock: that one is locked by flock and stays when free; ours says by existing that it is held.
    return join(this.cacheDir, '.locks', folderName(this.repo), `${etag}.held`)
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit)
  }

  pointer(commit: string, filename: string): string {
    return join(this.snapshot(commit), ...filename.split('/'))
  }

  /** The commit that the cache knows for the revision. */
  async commit(): Promise<string | undefined> {
    const { revision } = this.repo
    if (isCommit(revision)) return revision
    const text = await readFile(this.refPath(), 'utf8').catch(() => '')
    return isCommit(text.trim()) ? text.trim() : undefined
  }

  /** Path of a cached file at the revision, if it is there. */
  async find(filename: string): Promise<string | undefined> {
    const commit = await this.commit()
    const path = commit && this.pointer(commit, filename)
    return path && (await sizeOf(path)) !== undefined ? path : undefined
  }

  /** True when the hub once said that this revision has no such file. */
  async isKnownAbsent(filename: string): Promise<boolean> {
    const commit = await this.commit()
    return commit !== undefined && (await sizeOf(this.absentMark(commit, filename))) !== undefined
  }

  /** Remembers that a commit lacks a file, and what the revision stands for. */
  async markAbsent(commit: string, filename: string): Promise<void> {
    const mark = this.absentMark(commit, filename)
    await mkdir(dirname(mark), { recursive: true })
    await writeFile(mark, '')
    await this.writeRef(commit)
  }

  /** Makes a complete blob appear in the snapshot: by a relative link, by a copy where links are impossible. */
  async link(commit: string, filename: string, etag: string): Promise<string> {
    const pointer = this.pointer(commit, filename)
    await mkdir(dirname(pointer), { recursive: true })
    // Under another name first: two processes may link the same file, and a reader must never see a gap.
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

  /** Remembers what a branch or tag stands for. Comes last, so that a ref never leads to what is not there yet. */
  async writeRef(commit: string): Promise<void> {
    if (this.repo.revision === commit || (await this.commit()) === commit) return
    await writeFileAtomic(this.refPath(), commit)
  }

  async tagCacheDir(): Promise<void> {
    await mkdir(this.cacheDir, { recursive: true })
    await writeFile(join(this.cacheDir, 'CACHEDIR.TAG'), CACHEDIR_TAG, { flag: 'wx' }).catch(() => undefined)
  }

  /** Paths of the files cached for the revision, with forward slashes; undefined when it is not cached at all. */
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

/** Size of a file (of what a link leads to), undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.size,
    () => undefined,
  )
}

function folderName(repo: Repo): string {
  return [`${repo.type}s`, ...repo.id.split('/')].join('--')
}
