import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { messageOf } from '../files/atomic'
import { digestOf } from '../files/digest'
import { parseJsonObject } from '../files/json'
import { SafetensorsFile } from '../files/safetensors'
import { readTextFile } from '../files/text'
import { logger } from '../logging'
import type { PeftModel } from '../peft/model'
import type { Optimizer } from '../optim/optimizer'
import { readAdapterWeights } from '../peft/load'
import { ADAPTER_WEIGHTS } from '../peft/save'
import { fromSafetensorsDType } from '../tensor/dtype'
import { checkFinite } from '../tensor/finite-check'
import { readInto } from '../tensor/safetensors'
import { parseRunState, parseTrainerState, type SavedTrainerState } from './checkpoint-schema'
import {
  checkpointFolders,
  checkpointStep,
  hasItsChecksum,
  OPTIMIZER_STATE,
  RUN_STATE,
  TRAINER_STATE,
  type RunState,
} from './checkpoint'
import { differences, type RunSettings } from './run-settings'

/**
 * The contents of a checkpoint. `model` is compared separately; the checkpoint does not contain the base
 * model's weights.
 */
export interface Checkpoint {
  folder: string
  state: SavedTrainerState
  run: RunState
}

/**
 * The checkpoint in a folder. Checks that it is complete and belongs to the run that continues from it.
 * @throws Error naming the file and the key, or the setting, that does not fit.
 */
export async function openCheckpoint(folder: string, now: RunSettings): Promise<Checkpoint> {
  try {
    const checkpoint = await readFigures(folder)
    await accept(checkpoint, now)
    return checkpoint
  } catch (error) {
    throw new Error(`[SFTTrainer.train] resume_from_checkpoint: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * The newest complete checkpoint in `outputDir` of the run that saved there last, if `now` can continue it.
 * Warns about each newer one that is skipped, with the reason.
 * @throws Error when there is none, with all reasons.
 */
export async function lastCheckpoint(outputDir: string, now: RunSettings): Promise<Checkpoint> {
  const found: Checkpoint[] = []
  const reasons = new Map<string, string>()
  const folders = await checkpointFolders(outputDir)
  for (const folder of folders) {
    try {
      found.push(await readFigures(folder))
    } catch (error) {
      reasons.set(folder, messageOf(error))
    }
  }
  const newest = new Map<string, string>()
  for (const { run } of found)
    if (run.saved_at > (newest.get(run.run_id) ?? '')) newest.set(run.run_id, run.saved_at)
  // Runs by the time of their last save; the checkpoints of a run by step.
  found.sort((a, b) => {
    const [one, other] = [newest.get(a.run.run_id)!, newest.get(b.run.run_id)!]
    if (one !== other) return one > other ? -1 : 1
    return b.state.global_step - a.state.global_step
  })
  let taken: Checkpoint | undefined
  for (const checkpoint of found) {
    try {
      await accept(checkpoint, now)
      taken = checkpoint
      break
    } catch (error) {
      reasons.set(checkpoint.folder, messageOf(error))
    }
  }
  if (!taken) throw noCheckpoint(outputDir, folders, reasons)
  for (const { folder, run } of found) {
    if (run.run_id !== taken.run.run_id && !reasons.has(folder))
      reasons.set(folder, `it is of another run, which saved last at ${newest.get(run.run_id)}`)
  }
  const tried = new Set(found.slice(0, found.indexOf(taken)).map(({ folder }) => folder))
  for (const [folder, reason] of reasons) {
    const isNewer = checkpointStep(basename(folder))! > taken.state.global_step
    if (isNewer || tried.has(folder))
      logger.warning(`resume_from_checkpoint passes over ${folder}: ${reason}`)
  }
  return taken
}

function noCheckpoint(outputDir: string, folders: string[], reasons: ReadonlyMap<string, string>): Error {
  const opening = '[SFTTrainer.train] resume_from_checkpoint:'
  if (folders.length === 0) return new Error(`${opening} no checkpoint-<step> folder in ${outputDir}`)
  const list = [...reasons].map(([folder, reason]) => `${basename(folder)}: ${reason}`).join('\n  ')
  return new Error(`${opening} no checkpoint in ${outputDir} fits this run:\n  ${list}`)
}

async function readFigures(folder: string): Promise<Checkpoint> {
  for (const name of [TRAINER_STATE, RUN_STATE, OPTIMIZER_STATE, ADAPTER_WEIGHTS]) {
    if (existsSync(join(folder, name))) continue
    throw new Error(
      `${folder} has no ${name}; a checkpoint of this library has it unless save_only_model was set`,
    )
  }
  const json = async (name: string): Promise<Record<string, unknown>> => {
    const path = join(folder, name)
    return parseJsonObject(path, await readTextFile(path))
  }
  const state = parseTrainerState(join(folder, TRAINER_STATE), await json(TRAINER_STATE))
  const path = join(folder, RUN_STATE)
  const saved = await json(RUN_STATE)
  const run = parseRunState(path, saved, state)
  if (!hasItsChecksum(saved)) throw new Error(`${path}: checksum: the file was changed after it was saved`)
  return { folder, state, run }
}

/** Compares settings first: a checkpoint of another run need not be read completely. */
async function accept({ folder, run }: Checkpoint, now: RunSettings): Promise<void> {
  const { refused, warned } = differences(run.settings, now)
  if (refused.length > 0) throw new Error(`${refused.join('; ')} (${folder})`)
  for (const [name, { bytes, crc32 }] of Object.entries(run.files)) {
    const path = join(folder, name)
    const found = await digestOf(path)
    if (name.endsWith('.safetensors')) await checkFinite(path)
    if (found.bytes !== bytes || found.crc32 !== crc32)
      throw new Error(
        `${path}: is not the file that this checkpoint was saved with (${found.bytes} bytes, CRC-32 ${found.crc32}; expected ${bytes}, ${crc32})`,
      )
  }
  for (const warning of warned) logger.warning(`resume_from_checkpoint: ${folder}: ${warning}`)
}

/** Loads the adapter's weights and the optimizer's state. */
export async function restoreWeights(
  { folder, run }: Checkpoint,
  model: PeftModel,
  optimizer: Optimizer,
): Promise<void> {
  await readAdapterWeights(folder, model.parameters(), model.base_model)
  await restoreOptimizer(join(folder, OPTIMIZER_STATE), optimizer, run.optimizer_steps)
}

async function restoreOptimizer(path: string, optimizer: Optimizer, steps: number): Promise<void> {
  const file = await SafetensorsFile.open(path)
  try {
    for (const [name, tensor] of Object.entries(optimizer.restore(steps))) {
      const info = file.tensors.get(name)
      const { shape, dtype } = tensor
      if (info?.shape.join() !== shape.join() || fromSafetensorsDType(info.dtype) !== dtype) {
        throw new Error(
          `${path}: no '${name}' of shape (${shape.join(', ')}) and ${dtype}, which this optimizer needs; was the checkpoint made with another optim?`,
        )
      }
      await readInto(tensor, info.file, info.offset)
    }
  } finally {
    await file.close()
  }
}
