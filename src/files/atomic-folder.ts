import { dirname, join } from 'node:path'
import { codeOf, explainWriteError, isBeingWritten, nameBeside, stageFiles, syncFolder } from './atomic'
import type { FileDigest } from './digest'
import { disk } from './disk'

/**
 * Writes a folder so that `path` is either unchanged or the complete new folder. `write` fills a temporary
 * folder beside it, every file is flushed to the disk, and the folder is renamed once. An existing folder at
 * `path` is replaced.
 *
 * @param digests - receives the size and CRC-32 of each file directly in the folder as it is written
 * @throws Error naming the file that could not be written, as a path below `path`; the temporary folder is
 * removed.
 */
export async function replaceFolder(
  path: string,
  write: (folder: string) => Promise<void>,
  digests?: Map<string, FileDigest>,
): Promise<void> {
  const temporary = nameBeside(path, 'tmp')
  const staging = stageFiles(temporary, digests)
  try {
    await disk.mkdir(dirname(path), { recursive: true })
    await disk.mkdir(temporary)
    await write(temporary)
    await flushFiles(temporary, staging.flushed)
    await swapIn(temporary, path)
  } catch (error) {
    await disk.rm(temporary, { recursive: true, force: true }).catch(() => undefined)
    if (!(error instanceof Error)) throw error
    if (codeOf(error) !== undefined) throw await explainWriteError(path, error)
    error.message = error.message.replaceAll(temporary, path)
    throw error
  } finally {
    staging.end()
  }
  await syncFolder(dirname(path))
}

/**
 * Like {@link replaceFolder} if there is no folder at `path`, or an empty one. If it contains other files, the
 * new files are moved into it when all of them are written. Before that, the files that `isOld` names are
 * removed, so that old and new parts are never read together.
 */
export async function fillFolder(
  path: string,
  write: (folder: string) => Promise<void>,
  isOld: (name: string) => boolean,
): Promise<void> {
  const present = await disk.readdir(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
  if (present.length === 0) return replaceFolder(path, write)
  const staging = nameBeside(join(path, 'new'), 'tmp')
  await replaceFolder(staging, write)
  for (const name of present) if (isOld(name)) await disk.rm(join(path, name), { force: true })
  await moveAll(staging, path)
}

async function moveAll(from: string, to: string): Promise<void> {
  for (const entry of await disk.readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) {
      await disk.mkdir(target, { recursive: true })
      await moveAll(source, target)
    } else await disk.rename(source, target)
  }
  await disk.rm(from, { recursive: true, force: true })
  await syncFolder(to)
}

/** Removes a folder: it is renamed first, so under its own name it is either complete or gone. */
export async function removeFolder(path: string): Promise<void> {
  const temporary = nameBeside(path, 'tmp')
  try {
    await disk.rename(path, temporary)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  await disk.rm(temporary, { recursive: true, force: true })
}

async function flushFiles(folder: string, flushed: ReadonlySet<string>): Promise<void> {
  for (const entry of await disk.readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      await flushFiles(path, flushed)
      continue
    }
    if (flushed.has(path)) continue
    const file = await disk.open(path, 'r+')
    await file.sync().finally(() => file.close())
  }
  await syncFolder(folder)
}

async function swapIn(temporary: string, path: string): Promise<void> {
  const old = nameBeside(path, 'old')
  let replaced = true
  await disk.rename(path, old).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error
    replaced = false
  })
  try {
    await disk.rename(temporary, path)
  } catch (error) {
    // If this fails too, the next sweep restores the name; the first error is the one to report.
    if (replaced) await disk.rename(old, path).catch(() => undefined)
    throw error
  }
  if (replaced) await disk.rm(old, { recursive: true, force: true }).catch(() => undefined)
}

const REMAINS = /^\.(.+)\.(\d+)\.[0-9a-f]{8}\.(tmp|old)$/

/**
 * Removes what killed processes left in `folder`: temporary files of dead processes and, with `ownsFolders`,
 * temporary folders. A folder that was moved aside for a new one that never appeared gets its name back. Use
 * `ownsFolders` only while no other process writes folders there.
 */
export async function sweepRemains(folder: string, ownsFolders: boolean = false): Promise<void> {
  const entries = await disk.readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
  const names = new Set(entries.map(({ name }) => name))
  for (const entry of entries) {
    const [, name, pid, kind] = REMAINS.exec(entry.name) ?? []
    if (name === undefined) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory() ? !ownsFolders : isBeingWritten(path) || isAlive(Number(pid))) continue
    if (kind === 'old' && !names.has(name)) await disk.rename(path, join(folder, name))
    else await disk.rm(path, { recursive: true, force: true })
  }
}

/** Whether another process of that id runs on this machine. */
function isAlive(pid: number): boolean {
  // A name with our own id that we do not use: a process of an earlier start of this container.
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}
