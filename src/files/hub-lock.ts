import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from './atomic'

const HEARTBEAT_MS = 5000
/** A lock without a heartbeat for so long belongs to nobody any more. */
const STALE_MS = 60_000
const POLL_MS = 100

/**
 * Runs `work` while this process alone holds the lock file `path`; waits while another holds it. Node has no flock, so
 * the file's existence is the lock: it names its owner, whose heartbeat renews its time, and the lock of an owner that
 * died is taken over.
 */
export async function withLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const owner = JSON.stringify({ host: hostname(), pid: process.pid, id: randomBytes(8).toString('hex') })
  await mkdir(dirname(path), { recursive: true })
  while (!(await tryAcquire(path, owner))) {
    signal?.throwIfAborted()
    await sleep(POLL_MS)
  }
  const beat = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => undefined)
  }, HEARTBEAT_MS)
  beat.unref()
  try {
    return await work()
  } finally {
    clearInterval(beat)
    // Somebody who thought us dead may have taken it: then it is not ours to remove.
    if ((await readFile(path, 'utf8').catch(() => '')) === owner) await rm(path, { force: true })
  }
}

async function tryAcquire(path: string, owner: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    await file.writeFile(owner).finally(() => file.close())
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  await removeIfStale(path)
  return false
}

/** Moves a dead owner's lock away; of several processes that try, the rename lets one succeed. */
async function removeIfStale(path: string): Promise<void> {
  const owner = await readFile(path, 'utf8').catch(() => undefined)
  const found = await stat(path).catch(() => undefined)
  if (owner === undefined || !found) return
  if (Date.now() - found.mtimeMs < STALE_MS && !isDead(owner)) return
  const aside = `${path}.${randomBytes(4).toString('hex')}`
  try {
    await rename(path, aside)
  } catch {
    return
  }
  // Between our look and our rename another may have taken it over: what we moved is then alive, and goes back.
  if ((await readFile(aside, 'utf8')) !== owner) await link(aside, path).catch(() => undefined)
  await rm(aside, { force: true })
}

function isDead(owner: string): boolean {
  let parsed: { host?: unknown; pid?: unknown }
  try {
    parsed = JSON.parse(owner) as typeof parsed
  } catch {
    return false // being written just now
  }
  if (parsed.host !== hostname() || typeof parsed.pid !== 'number') return false
  try {
    process.kill(parsed.pid, 0)
    return false
  } catch (error) {
    return codeOf(error) === 'ESRCH'
  }
}
