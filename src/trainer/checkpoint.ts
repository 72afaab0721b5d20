import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../files/atomic'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { PeftModel } from '../peft/model'
import { save_safetensors } from '../tensor/safetensors'
import type { TrainingArguments } from './arguments'
import type { TrainRun } from './loop'
import { savedProgress, type SavedProgress } from './progress'

export const TRAINER_STATE = 'trainer_state.json'
export const OPTIMIZER_STATE = 'optimizer.safetensors'
export const RUN_STATE = 'run_state.json'

/** run_state.json: where a run stands, and what it counts by. */
export interface RunState {
  progress: SavedProgress
  optimizer_steps: number
  /** These must be the same when the run goes on: its place is counted in microbatches, the state is the optimizer's own. */
  fixed: {
    batches_per_epoch: number
    per_device_train_batch_size: number
    gradient_accumulation_steps: number
    optim: string
  }
}

/** The step in the name of a checkpoint's folder. */
export function checkpointStep(name: string): number | undefined {
  const step = /^checkpoint-(\d+)$/.exec(name)?.[1]
  return step === undefined ? undefined : Number(step)
}

function fixedOf(args: TrainingArguments, batchesPerEpoch: number): RunState['fixed'] {
  const { per_device_train_batch_size, gradient_accumulation_steps, optim } = args
  return {
    per_device_train_batch_size,
    gradient_accumulation_steps,
    optim,
    batches_per_epoch: batchesPerEpoch,
  }
}

/** @throws Error when a run would go on from a checkpoint with other data or other batches. */
export function checkFixed({ fixed }: RunState, args: TrainingArguments, batchesPerEpoch: number): void {
  const now = fixedOf(args, batchesPerEpoch)
  const other = (Object.keys(now) as (keyof typeof now)[]).find((name) => fixed[name] !== now[name])
  if (other === undefined) return
  throw new Error(
    `[SFTTrainer.train] resume_from_checkpoint: ${other} is ${now[other]}; the checkpoint's run had ${fixed[other]}`,
  )
}

/**
 * Writes `output_dir/checkpoint-<step>`: adapter, tokenizer and trainer_state.json, and unless `save_only_model` what the run
 * needs to go on; with `save_total_limit` the oldest are removed.
 */
export async function saveCheckpoint(
  model: PeftModel,
  tokenizer: PreTrainedTokenizer,
  run: TrainRun,
): Promise<string> {
  const { args, state, optimizer, progress } = run
  const folder = join(args.output_dir, `checkpoint-${state.global_step}`)
  await model.save_pretrained(folder)
  await tokenizer.save_pretrained(folder)
  if (!args.save_only_model) {
    await save_safetensors(join(folder, OPTIMIZER_STATE), optimizer.stateTensors())
    const where: RunState = {
      progress: savedProgress(progress),
      optimizer_steps: optimizer.stepCount,
      fixed: fixedOf(args, run.batchesPerEpoch),
    }
    await writeFileAtomic(join(folder, RUN_STATE), JSON.stringify(where, null, 2))
  }
  await writeFileAtomic(join(folder, TRAINER_STATE), JSON.stringify(state, null, 2))
  if (args.save_total_limit !== null && args.save_total_limit > 0)
    await removeOldest(args.output_dir, args.save_total_limit, state.global_step)
  return folder
}

/** The one just written stays even when an earlier run left checkpoints of later steps. */
async function removeOldest(outputDir: string, limit: number, written: number): Promise<void> {
  const steps = (await readdir(outputDir))
    .flatMap((name) => checkpointStep(name) ?? [])
    .filter((step) => step !== written)
    .sort((a, b) => a - b)
  for (const step of steps.slice(0, Math.max(0, steps.length + 1 - limit))) {
    await rm(join(outputDir, `checkpoint-${step}`), { recursive: true })
  }
}
