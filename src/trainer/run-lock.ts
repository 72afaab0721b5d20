import { join } from 'node:path'
import { sweepRemains } from '../files/atomic-folder'
import { lockOwner, tryLock } from '../files/lock'
import type { CausalLM } from '../models/causal-lm'

/** The models that a `train()` of this process is training. */
const inTraining = new WeakSet<CausalLM>()

/**
 * Runs `work` while no other trainer of this process trains the model; two would continue from each other's
 * weights.
 * @throws Error when another one does.
 */
export async function holdingModel<T>(model: CausalLM, work: () => Promise<T>): Promise<T> {
  if (inTraining.has(model)) {
    throw new Error(
      '[SFTTrainer.train] model: another SFTTrainer trains it right now; wait for the end of that train() or interrupt it, or load the model once more for this trainer',
    )
  }
  inTraining.add(model)
  try {
    return await work()
  } finally {
    inTraining.delete(model)
  }
}

/**
 * Runs `work` while this process is the only one that trains into `outputDir`. Removes incomplete saves of
 * killed runs first.
 * @throws Error naming the process that uses the folder.
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
