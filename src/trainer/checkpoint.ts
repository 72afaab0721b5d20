import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../files/atomic'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { PeftModel } from '../peft/model'
import type { TrainingArguments } from './arguments'
import type { TrainerState } from './state'

/**
 * Writes `output_dir/checkpoint-<step>`: adapter, tokenizer and trainer_state.json; with `save_total_limit` the oldest
 * are removed. Optimizer state is not saved: a run cannot be resumed from it yet.
 */
export async function saveCheckpoint(
  model: PeftModel,
  tokenizer: PreTrainedTokenizer,
  args: TrainingArguments,
  state: TrainerState,
): Promise<string> {
  const folder = join(args.output_dir, `checkpoint-${state.global_step}`)
  await model.save_pretrained(folder)
  await tokenizer.save_pretrained(folder)
  await writeFileAtomic(join(folder, 'trainer_state.json'), JSON.stringify(state, null, 2))
  if (args.save_total_limit !== null && args.save_total_limit > 0)
    await removeOldest(args.output_dir, args.save_total_limit, state.global_step)
  return folder
}

/** The one just written stays even when an earlier run left checkpoints of later steps. */
async function removeOldest(outputDir: string, limit: number, written: number): Promise<void> {
  const steps = (await readdir(outputDir))
    .map((name) => /^checkpoint-(\d+)$/.exec(name)?.[1])
    .filter((step) => step !== undefined)
    .map(Number)
    .filter((step) => step !== written)
    .sort((a, b) => a - b)
  for (const step of steps.slice(0, Math.max(0, steps.length + 1 - limit))) {
    await rm(join(outputDir, `checkpoint-${step}`), { recursive: true })
  }
}
