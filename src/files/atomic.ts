import { randomBytes } from 'node:crypto'
import { type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { extended, type FileDigest } from './digest'
import { disk } from './disk'

/** Temporary names that this process is using. */
const inUse = new Set<string>()

interface Staged {
  /** Paths of the files that are flushed to the disk. */
  flushed: Set<string>
  digests: Map<string, FileDigest> | undefined
}

/** Temporary folders that `replaceFolder` is filling. */
const staged = new Map<string, Staged>()
/** Digests of files being written, where they are wanted. */
const sums = new WeakMap<FileHandle, FileDigest>()

/**
 * Until `end`, files of this temporary folder are written under their own names: nobody reads them before the folder
 * is renamed.
 */
export function stageFiles(
  folder: string,
  digests: Map<string, FileDigest> | undefined,
): { flushed: ReadonlySet<string>; end: () => void } {
  const files: Staged = { flushed: new Set(), digests }
  staged.set(folder, files)
  return { flushed: files.flushed, end: () => void staged.delete(folder) }
}

/** A name beside `path` for an unfinished file; `kind` is its last part. `sweepRemains` recognizes these names. */
export function nameBeside(path: string, kind: 'tmp' | 'old'): string {
  const unique = `${process.pid}.${randomBytes(4).toString('hex')}`
  return join(dirname(path), `.${basename(path)}.${unique}.${kind}`)
}

/** Whether this process is writing a file with this temporary name. */
export function isBeingWritten(temporary: string): boolean {
  return inUse.has(temporary)
}

/**
 * Writes a file so that `path` has either its old content or all of the new one. The data is written to a
 * temporary file in the same folder, flushed to the disk, and renamed. Missing parent folders are created.
 *
 * @throws Error naming `path` and the reason (no space, no permission, ...); the temporary file is removed.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data
  await replaceFile(path, (file) => writeAll(file, bytes))
}

/**
 * Like {@link writeFileAtomic}, for data that is produced in pieces: `write` writes to the temporary file's
 * handle. `whenWritten` runs when the data is on the disk and only the rename is left; if it fails, `path`
 * keeps its old content.
 */
export async function replaceFile(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  whenWritten?: () => Promise<void>,
): Promise<void> {
  const folder = dirname(path)
  const staging = staged.get(folder)
  const temporary = staging ? path : nameBeside(path, 'tmp')
  let created = false
  inUse.add(temporary)
  try {
    if (!staging) await disk.mkdir(folder, { recursive: true })
    const file = await disk.open(temporary, staging ? 'w' : 'wx')
    created = true
    if (staging?.digests) sums.set(file, { bytes: 0, crc32: 0 })
    try {
      await write(file)
      await file.sync()
    } finally {
      await file.close()
    }
    await whenWritten?.()
    if (staging) {
      staging.flushed.add(path)
      staging.digests?.set(basename(path), sums.get(file)!)
      return
    }
    await disk.rename(temporary, path)
  } catch (error) {
    // What cannot be removed now is swept later; the first error is the one to report.
    if (created) await disk.rm(temporary, { force: true }).catch(() => undefined)
    throw await explainWriteError(path, error)
  } finally {
    inUse.delete(temporary)
  }
  await syncFolder(folder)
}

/** Writes all of `bytes` at the handle's position; a single `write` call may write less than it gets. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  // Pieces keep each request below the 2 GiB limit of one system call.
  const piece = 2 ** 26
  let done = 0
  while (done < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(piece, bytes.byteLength - done))
    done += bytesWritten
  }
  const sum = sums.get(file)
  if (sum) sums.set(file, extended(sum, bytes))
}

/**
 * Checks that `bytes` more bytes fit on the file system of `dir`, an existing folder.
 *
 * @throws Error naming the bytes needed and available.
 */
export async function ensureFreeSpace(dir: string, bytes: number): Promise<void> {
  const { bavail, bsize, blocks } = await disk.statfs(dir)
  // Some network file systems report no size; there the write itself has to fail.
  if (blocks === 0) return
  const available = bavail * bsize
  if (bytes > available) {
    throw new Error(`${dir}: not enough disk space: ${bytes} bytes needed, ${available} bytes available`)
  }
}

/** Message of an unknown thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of a system error (`'ENOENT'`, ...), if it has one. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}

/** The error to throw when `path` could not be written: names it and the reason. */
export async function explainWriteError(path: string, error: unknown): Promise<unknown> {
  if (error instanceof Error && error.name === 'AbortError') return error
  if (codeOf(error) !== 'ENOSPC') {
    return new Error(`${path}: could not be written: ${messageOf(error)}`, { cause: error })
  }
  const space = await disk.statfs(dirname(path)).catch(() => undefined)
  const left = space ? ` (${space.bavail * space.bsize} bytes available)` : ''
  return new Error(`${path}: no space left on the disk${left}; nothing was written`, { cause: error })
}

/** Makes the rename itself durable. Some platforms cannot open a folder, so errors are ignored. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await disk.open(folder, 'r')
    await handle.sync().finally(() => handle.close())
  } catch {
    return
  }
}
