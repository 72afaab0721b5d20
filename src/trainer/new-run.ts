import { randomUUID } from 'node:crypto'
import type { LabelledRow } from '../data/packing'
import type { ProcessGroup } from '../distributed/group'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { createOptimizer } from '../optim/create'
import type { Optimizer } from '../optim/optimizer'
import { get_scheduler } from '../optim/schedules'
import type { PeftModel } from '../peft/model'
import { planMemory } from './apply-memory-plan'
import type { TrainingArguments } from './arguments'
import { bestMetricName, loadBest } from './best-model'
import type { CallbackHandler } from './callbacks'
import { saveCheckpoint, warnOfEarlierRuns } from './checkpoint'
import type { TrainRun } from './loop'
import type { ParsedSFTTrainerOptions, ParsedTrainOptions } from './options.generated'
import type { PreparedStream } from './prepared-stream'
import { newProgress, restoredProgress } from './progress'
import { lastCheckpoint, openCheckpoint, restoreWeights, type Checkpoint } from './resume'
import { requireSameRun, shareParameters } from './rank-settings'
import { runData } from './run-data'
import { settingsOf, type RunSettings } from './run-settings'
import type { LogRow, TrainerState } from './state'
import type { TrainingTask } from './task'

/** What a run is made from. */
export interface RunParts {
  model: PeftModel
  tokenizer: PreTrainedTokenizer
  args: TrainingArguments
  task: TrainingTask
  state: TrainerState
  rows: LabelledRow[] | PreparedStream
  optimizers: ParsedSFTTrainerOptions['optimizers'] | undefined
  from: ParsedTrainOptions['resume_from_checkpoint']
  signal: AbortSignal
  /** The ranks that run it together; undefined: this process alone. */
  group: ProcessGroup | undefined
  events: (optimizer: Optimizer) => CallbackHandler
  evaluate: (signal: AbortSignal | undefined, events: CallbackHandler) => Promise<LogRow[]>
  /** Called when all checks have passed, before the run measures or changes anything. */
  begin: (optimizer: Optimizer | undefined) => void
}

/**
 * A run that starts at its first step, or where a checkpoint was saved. Memory is planned and the optimizer
 * made.
 * @throws Error when the rows make no batch, no checkpoint fits, or memory is not sufficient.
 */
export async function newRun(parts: RunParts): Promise<TrainRun> {
  const { model, tokenizer, args, task, state, group } = parts
  model.checkTrainable()
  const data = await runData(args, task, parts.rows, parts.signal, group?.size)
  const { begin, batchesPerEpoch } = data
  const settings = await settingsOf(model, args, data.seen, begin.max_steps, {
    loss: task.loss,
    ranks: group?.size,
  })
  if (group) await requireSameRun(group, args, settings)
  const checkpoint = await checkpointFor(parts, settings)
  if (!checkpoint && args.save_strategy !== 'no' && (group?.isMain ?? true))
    await warnOfEarlierRuns(args.output_dir)
  parts.begin(undefined)
  Object.assign(state, begin)
  const { objective, dropout } = task
  planMemory(model, args, data.sizes, { objective, dropout })
  const batches = await data.ready(parts.signal)
  const [givenOptimizer, givenSchedule] = parts.optimizers ?? [null, null]
  const optimizer = givenOptimizer ?? createOptimizer(model.parameters(), args)
  parts.begin(optimizer)
  const events = parts.events(optimizer)
  const run: TrainRun = {
    model: model.base_model,
    args,
    optimizer,
    schedule:
      givenSchedule ??
      get_scheduler(args.lr_scheduler_type, {
        num_warmup_steps: args.get_warmup_steps(state.max_steps),
        num_training_steps: state.max_steps,
        learning_rate: args.learning_rate,
        lr_scheduler_kwargs: args.lr_scheduler_kwargs,
      }),
    objective,
    prepare: task.prepare && ((batch) => task.prepare!(batch, true)),
    dropout,
    state,
    progress: newProgress(args),
    identity: { run_id: checkpoint?.run.run_id ?? randomUUID(), settings },
    group,
    events,
    batchesPerEpoch,
    batches,
    rowsPerStep: args.per_device_train_batch_size * args.gradient_accumulation_steps * (group?.size ?? 1),
    evaluate: (stop) => parts.evaluate(stop, events),
    save: (current) => saveCheckpoint(model, tokenizer, current),
    finish: () => loadBest(args, state, model),
  }
  if (checkpoint) await goOn(run, checkpoint, model)
  else if (group) shareParameters(group, model.parameters())
  return run
}

/** The checkpoint to continue from, checked; of several ranks, rank 0 chooses. */
async function checkpointFor(
  { from, args, group }: RunParts,
  settings: RunSettings,
): Promise<Checkpoint | undefined> {
  if (!from) return undefined
  if (from !== true) return openCheckpoint(from, settings)
  const find = (): Promise<Checkpoint> => lastCheckpoint(args.output_dir, settings)
  if (!group) return find()
  const folder = await group.onMain('the checkpoint to go on from', async () => (await find()).folder)
  return openCheckpoint(folder, settings)
}

/** Restores the checkpoint's state. */
async function goOn(run: TrainRun, checkpoint: Checkpoint, model: PeftModel): Promise<void> {
  const { state: saved, run: runState } = checkpoint
  await restoreWeights(checkpoint, model, run.optimizer)
  const { max_steps: _, ...place } = saved
  Object.assign(run.state, place)
  run.progress = restoredProgress(runState.progress, run.args)
  // A schedule that follows evaluations has to see these again.
  const name = bestMetricName(run.args)
  for (const row of saved.log_history) if (name in row) run.schedule.observe?.(row[name]!)
}
