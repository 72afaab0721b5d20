import { join } from 'node:path'
import { sweepRemains } from '../files/atomic-folder'
import { lockOwner, tryLock } from '../files/lock'

/**
 * Runs `work` while this process alone trains into `outputDir`, after removing what killed runs left of their saves there.
 * @throws Error that says who else holds the folder.
 */
export async function holdingFolder<T>(outputDir: string, work: () => Promise<T>): Promise<T> {
  const path = join(outputDir, '.run.lock')
  const lock = await tryLock(path)
  if (!lock) {
    const owner = await lockOwner(path)
    const who = owner
      ? `process ${owner.pid} on ${owner.host}, since ${owner.since}`
      : 'a process that it does not name'
    throw new Error(
      `[SFTTrainer.train] output_dir ${outputDir} is in use by another run (${who}); wait for its end, or give this run another output_dir. ${path} says so; a dead process's file is taken over`,
    )
  }
  try {
    await sweepRemains(outputDir, true)
    return await work()
  } finally {
    await lock.release()
  }
}
