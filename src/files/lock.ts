import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import { codeOf, nameBeside } from './atomic'
import { disk } from './disk'

const HEARTBEAT_MS = 5000
/** A lock whose heartbeat is older than this has no owner any more. */
const STALE_MS = 60_000
const POLL_MS = 100
/** Ids of the locks that this thread holds, including those of other copies of this library. */
const held: Set<string> = ((globalThis as Record<symbol, unknown>)[Symbol.for('qlora.locks')] ??=
  new Set()) as Set<string>

/** The owner of a lock, from its file. */
export interface LockOwner {
  host: string
  pid: number
  /**
   * When the process started, in the system's own unit; distinguishes it from a later process with the same id.
   * null: unknown.
   */
  started: string | null
  /** When the lock was taken, ISO 8601. */
  since: string
  /** The thread of the process, and the lock's own name. */
  thread?: number
  id?: string
}

export interface HeldLock {
  release(): Promise<void>
}

/**
 * Takes the lock file `path` for this process; undefined if another process holds it. Node has no flock, so the
 * existence of the file is the lock: it names its owner, whose heartbeat updates its time. The lock of a dead
 * owner is taken over.
 */
export async function tryLock(path: string): Promise<HeldLock | undefined> {
  const owner: Required<LockOwner> = {
    host: hostname(),
    pid: process.pid,
    started: startOf(process.pid),
    since: new Date().toISOString(),
    thread: threadId,
    id: randomBytes(8).toString('hex'),
  }
  const text = JSON.stringify(owner)
  await disk.mkdir(dirname(path), { recursive: true })
  if (!(await create(path, text)) && !((await removeIfStale(path)) && (await create(path, text))))
    return undefined
  held.add(owner.id)
  const beat = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => undefined)
  }, HEARTBEAT_MS)
  beat.unref()
  return {
    release: async () => {
      clearInterval(beat)
      held.delete(owner.id)
      // If another process considered us dead, it may have taken the lock: then we must not remove it.
      if ((await readText(path)) === text) await disk.rm(path, { force: true }).catch(() => undefined)
    },
  }
}

/** Runs `work` while this process holds the lock file `path`; waits if another process holds it. */
export async function withLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  let lock = await tryLock(path)
  while (!lock) {
    signal?.throwIfAborted()
    await sleep(POLL_MS)
    lock = await tryLock(path)
  }
  try {
    return await work()
  } finally {
    await lock.release()
  }
}

/** The owner of the lock file `path`; undefined if there is none or the file does not say. */
export async function lockOwner(path: string): Promise<LockOwner | undefined> {
  const text = await readText(path)
  return text === undefined ? undefined : parseOwner(text)
}

/** Creates the file together with its content, so that a killed process leaves no empty lock. */
async function create(path: string, text: string): Promise<boolean> {
  const temporary = nameBeside(path, 'tmp')
  try {
    const file = await disk.open(temporary, 'wx')
    await file.writeFile(text).finally(() => file.close())
    await disk.link(temporary, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'].includes(codeOf(error) ?? '')) throw error
  } finally {
    await disk.rm(temporary, { force: true }).catch(() => undefined)
  }
  return createDirectly(path, text)
}

/** For file systems without hard links. */
async function createDirectly(path: string, text: string): Promise<boolean> {
  try {
    const file = await disk.open(path, 'wx')
    await file.writeFile(text).finally(() => file.close())
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Renames a dead owner's lock; of several processes that try, only one succeeds. */
async function removeIfStale(path: string): Promise<boolean> {
  const owner = await readText(path)
  const found = await stat(path).catch(() => undefined)
  if (owner === undefined || !found) return true
  if (Date.now() - found.mtimeMs < STALE_MS && !isDead(owner)) return false
  const aside = nameBeside(path, 'tmp')
  try {
    await disk.rename(path, aside)
  } catch {
    return false
  }
  // Another process may have taken it over before our rename: then what we moved is alive and is moved back.
  if ((await readText(aside)) !== owner) await disk.link(aside, path).catch(() => undefined)
  await disk.rm(aside, { force: true })
  return true
}

const readText = (path: string): Promise<string | undefined> =>
  disk.readFile(path, 'utf8').catch(() => undefined)

function parseOwner(text: string): LockOwner | undefined {
  try {
    const { host, pid, started, since, ...more } = JSON.parse(text) as Partial<LockOwner>
    if (typeof host !== 'string' || typeof pid !== 'number') return undefined
    return { host, pid, started: started ?? null, since: since ?? '', ...more }
  } catch {
    return undefined
  }
}

function isDead(text: string): boolean {
  const owner = parseOwner(text)
  if (!owner || owner.host !== hostname()) return false
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    return codeOf(error) === 'ESRCH'
  }
  const started = startOf(owner.pid)
  // Our own lock, which could not be removed when it was released.
  if (owner.pid === process.pid && owner.started === started && owner.thread === threadId)
    return !held.has(owner.id ?? '')
  return owner.started !== null && started !== null && owner.started !== started
}

/** Field 22 of /proc/<pid>/stat, in ticks since the machine started; null without /proc. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}
