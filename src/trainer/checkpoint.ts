import { basename, join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { codeOf, writeFileAtomic } from '../files/atomic'
import { removeFolder, replaceFolder } from '../files/atomic-folder'
import { digestOf, type FileDigest } from '../files/digest'
import { disk } from '../files/disk'
import { parseJsonObject } from '../files/json'
import { readTextFile } from '../files/text'
import { logger } from '../logging'
import type { PeftModel } from '../peft/model'
import { save_safetensors } from '../tensor/safetensors'
import { toJson } from './checkpoint-schema'
import { trackBestCheckpoint } from './best-model'
import type { TrainRun } from './loop'
import { savedProgress, type SavedProgress } from './progress'
import type { RunSettings } from './run-settings'

export const TRAINER_STATE = 'trainer_state.json'
export const OPTIMIZER_STATE = 'optimizer.safetensors'
export const RUN_STATE = 'run_state.json'

/** run_state.json: the run of a checkpoint, how far it was, and the settings that must not change. */
export interface RunState {
  /** Equal in all checkpoints of a run. */
  run_id: string
  saved_at: string
  /** false: the last step's loss was NaN or infinite. */
  loss_is_finite: boolean
  settings: RunSettings
  batches_per_epoch: number
  optimizer_steps: number
  /** Digests of the folder's other files when they were written. */
  files: Record<string, FileDigest>
  progress: SavedProgress
}

/** The step in the name of a checkpoint folder. */
export function checkpointStep(name: string): number | undefined {
  const step = /^checkpoint-(\d+)$/.exec(name)?.[1]
  return step === undefined ? undefined : Number(step)
}

/** The checkpoint folders in a folder, as paths, by descending step; empty if the folder does not exist. */
export async function checkpointFolders(outputDir: string): Promise<string[]> {
  const names = await disk.readdir(outputDir).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
  const steps = names.flatMap((name) => checkpointStep(name) ?? [])
  return steps.sort((a, b) => b - a).map((step) => join(outputDir, `checkpoint-${step}`))
}

/**
 * Warns about checkpoints of earlier runs in the output folder; those of steps that this run saves are
 * replaced.
 */
export async function warnOfEarlierRuns(outputDir: string): Promise<void> {
  const [newest, ...others] = await checkpointFolders(outputDir)
  if (newest === undefined) return
  logger.warning(
    `output_dir ${outputDir} holds ${others.length + 1} checkpoint(s) of an earlier run, the last ${basename(newest)}; this run begins at step 0 and replaces those of the steps it saves. To go on with the earlier run, call train({ resume_from_checkpoint: true }); to keep it, give another output_dir`,
  )
}

/**
 * Writes `output_dir/checkpoint-<step>`: adapter, tokenizer, trainer_state.json and, unless `save_only_model`,
 * the optimizer's state. The folder appears complete or not at all. Of several ranks, rank 0 writes and the others
 * wait. `save_total_limit` removes this run's oldest checkpoints.
 */
export async function saveCheckpoint(
  model: PeftModel,
  tokenizer: PreTrainedTokenizer,
  run: TrainRun,
): Promise<string> {
  const { args, state, group } = run
  const target = join(args.output_dir, `checkpoint-${state.global_step}`)
  trackBestCheckpoint(args, state, target)
  const write = (): Promise<void> => writeCheckpoint(target, model, tokenizer, run)
  await (group ? group.onMain(`the checkpoint of step ${state.global_step}`, write) : write())
  return target
}

async function writeCheckpoint(
  target: string,
  model: PeftModel,
  tokenizer: PreTrainedTokenizer,
  run: TrainRun,
): Promise<void> {
  const { args, state, optimizer } = run
  const written = new Map<string, FileDigest>()
  const write = async (folder: string): Promise<void> => {
    await model.save_pretrained(folder)
    await tokenizer.save_pretrained(folder)
    if (!args.save_only_model) await save_safetensors(join(folder, OPTIMIZER_STATE), optimizer.stateTensors())
    await writeFileAtomic(join(folder, TRAINER_STATE), toJson(state))
    await writeFileAtomic(join(folder, RUN_STATE), withChecksum(await runStateOf(run, folder, written)))
  }
  await replaceFolder(target, write, written)
  if (args.save_total_limit !== null && args.save_total_limit > 0)
    await removeOldest(run, args.save_total_limit, target)
}

async function runStateOf(
  run: TrainRun,
  folder: string,
  written: ReadonlyMap<string, FileDigest>,
): Promise<RunState> {
  const { progress, optimizer, identity, batchesPerEpoch } = run
  const files: RunState['files'] = {}
  for (const name of (await disk.readdir(folder)).sort()) {
    files[name] = written.get(name) ?? (await digestOf(join(folder, name)))
  }
  return {
    ...identity,
    saved_at: new Date().toISOString(),
    loss_is_finite: Number.isFinite(progress.lastLoss ?? 0),
    batches_per_epoch: batchesPerEpoch,
    optimizer_steps: optimizer.stepCount,
    files,
    progress: savedProgress(progress),
  }
}

/** run_state.json with a checksum of its own values, so that manual changes are detected. */
function withChecksum(state: RunState): string {
  return toJson({ ...state, checksum: crc32(toJson(state)) })
}

/** Whether the parsed run_state.json is unchanged since it was written. */
export function hasItsChecksum(parsed: Record<string, unknown>): boolean {
  const { checksum, ...state } = parsed
  return checksum === crc32(toJson(state))
}

/**
 * Removes this run's oldest checkpoints beyond `limit`, but never the best one. Checkpoints whose loss was not
 * finite do not count and are removed too.
 */
async function removeOldest(
  { args, identity, state }: TrainRun,
  limit: number,
  written: string,
): Promise<void> {
  const own: { folder: string; isGood: boolean }[] = []
  for (const folder of await checkpointFolders(args.output_dir)) {
    const path = join(folder, RUN_STATE)
    const found = await readTextFile(path)
      .then((text) => parseJsonObject(path, text) as Partial<RunState>)
      .catch(() => undefined)
    if (found?.run_id === identity.run_id) own.push({ folder, isGood: found.loss_is_finite === true })
  }
  const good = own.filter(({ isGood }) => isGood)
  const kept = new Set([
    written,
    state.best_model_checkpoint ?? written,
    ...good.slice(0, limit).map(({ folder }) => folder),
  ])
  for (const { folder } of own) if (!kept.has(folder)) await removeFolder(folder)
}
