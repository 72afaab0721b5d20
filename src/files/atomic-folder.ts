import { dirname, join } from 'node:path'
import { codeOf, explainWriteError, isBeingWritten, nameBeside, syncFolder } from './atomic'
import { disk } from './disk'

/**
 * Writes a folder so that `path` is what it was before or all of the new folder, never a part: `write` fills a temporary folder
 * beside it, every file is flushed to the disk, then it is renamed once. An older folder at `path` is replaced.
 *
 * @throws Error naming the file that could not be written, as a path below `path`; the temporary folder is removed.
 */
export async function replaceFolder(path: string, write: (folder: string) => Promise<void>): Promise<void> {
  const temporary = nameBeside(path, 'tmp')
  try {
    await disk.mkdir(dirname(path), { recursive: true })
    await disk.mkdir(temporary)
    await write(temporary)
    await flushFiles(temporary)
    await swapIn(temporary, path)
  } catch (error) {
    await disk.rm(temporary, { recursive: true, force: true }).catch(() => undefined)
    if (!(error instanceof Error)) throw error
    if (codeOf(error) !== undefined) throw await explainWriteError(path, error)
    error.message = error.message.replaceAll(temporary, path)
    throw error
  }
  await syncFolder(dirname(path))
}

/**
 * As {@link replaceFolder} where there is no folder at `path` yet or an empty one. Into one that holds other files the new ones are
 * moved when all of them are written: first those that `isOld` names go, so that nothing reads a part of the old beside the new.
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

/** Removes a folder at once: under its name it is whole until it is gone. */
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

async function flushFiles(folder: string): Promise<void> {
  for (const entry of await disk.readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      await flushFiles(path)
      continue
    }
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
    // Where that fails too, the next sweep gives it its name back; the fault to tell is the first one.
    if (replaced) await disk.rename(old, path).catch(() => undefined)
    throw error
  }
  if (replaced) await disk.rm(old, { recursive: true, force: true }).catch(() => undefined)
}

const REMAINS = /^\.(.+)\.(\d+)\.[0-9a-f]{8}\.(tmp|old)$/

/**
 * Removes what killed processes left of their writing in `folder`: temporary files of processes that are dead and, when
 * `ownsFolders` is set, temporary folders. A folder that was set aside for a new one that never came gets its name back.
 * Give `ownsFolders` only while no other process writes folders there.
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
  // Our own id on a name that we do not use: a process of an earlier start of this container.
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}
