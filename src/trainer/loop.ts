import type { ProcessGroup } from '../distributed/group'
import { logger } from '../logging'
import type { CausalLM } from '../models/causal-lm'
import type { PackedBatch } from '../models/batch'
import type { Objective } from '../models/objective'
import type { Optimizer } from '../optim/optimizer'
import type { Schedule } from '../optim/schedules'
import type { Agreement } from './agreement'
import type { TrainingArguments } from './arguments'
import { bestMetricName, metricOf, trackBest } from './best-model'
import type { CallbackHandler } from './callbacks'
import { dueBy, flagsOf } from './control'
import { dueAfterEpoch, dueAfterStep } from './due'
import { Hearing } from './hearing'
import { isAbort } from './interrupt'
import type { RunProgress } from './progress'
import type { RunBatches } from './run-data'
import type { RunSettings } from './run-settings'
import { skippedRow, tooManySkipped } from './skipped-steps'
import type { LogRow, TrainerState, TrainOutput } from './state'
import { trainStep } from './train-step'
import { windows } from './windows'

/** Everything that a run needs, and its progress. */
export interface TrainRun {
  model: CausalLM
  args: TrainingArguments
  optimizer: Optimizer
  schedule: Schedule
  /** Default: the mean negative log-likelihood. */
  objective?: Objective | undefined
  /** Computes columns of a batch before its pass, for instance log-probabilities of a reference model. */
  prepare?: ((batch: PackedBatch) => Promise<PackedBatch>) | undefined
  /** false: the adapter's dropout is off. Default: true. */
  dropout?: boolean | undefined
  state: TrainerState
  progress: RunProgress
  /** Identifies the run: `run_id` is unique, and kept when it continues from a checkpoint. */
  identity: { run_id: string; settings: RunSettings }
  events: CallbackHandler
  /** Number of microbatches in an epoch. */
  batchesPerEpoch: number
  batches: RunBatches
  /** The ranks that share the microbatches. Default: this process has all of them. */
  group?: ProcessGroup | undefined
  /** Rows of one full optimizer step, for samples per second. */
  rowsPerStep: number
  /** The metrics of each evaluation set. Rejects when the signal is aborted. */
  evaluate: (signal: AbortSignal | undefined) => Promise<LogRow[]>
  save: (run: TrainRun) => Promise<string>
  /** Called once after the last step, before the run's last log row. */
  finish: (run: TrainRun) => Promise<void>
}

/**
 * The training loop:
 *   for each epoch, for each window of `gradient_accumulation_steps` microbatches of each rank:
 *     gradients of sum(loss) / targets of the whole window; clip; update; log, evaluate and save when due.
 * It ends after a step when a callback requests it, and pauses after a step when the signal is aborted. Called
 * again with the same run, it continues with the same results as without the pause (`progress.ended`
 * distinguishes the two cases). The same holds after an error: a step counts when it is complete, and what is
 * due stays due until it is done.
 */
export async function trainLoop(
  run: TrainRun,
  signal?: AbortSignal,
  agreement?: Agreement,
): Promise<TrainOutput> {
  const { model, optimizer, state, events, progress } = run
  const wasEnded = progress.ended
  let failed = true
  progress.clock.resume()
  progress.metrics.clock.resume()
  try {
    await events.on('on_train_begin')
    await steps(run, signal, agreement).catch((error: unknown) => {
      if (!isAbort(error, signal)) throw error
    })
    await model.device.synchronize()
    progress.ended = isOver(run) && progress.seen === 0 && progress.due.length === 0
    if (progress.ended && !wasEnded) await run.finish(run)
    const summary = finalMetrics(run)
    // A paused run does not have its last row yet.
    if (progress.ended && !wasEnded && run.args.logging_strategy !== 'no')
      await events.logged(events.record(summary))
    failed = false
    return {
      global_step: state.global_step,
      training_loss: summary['train_loss']!,
      metrics: { ...summary, epoch: state.epoch },
      stopped: !isFinished(run),
    }
  } finally {
    progress.clock.pause()
    progress.metrics.clock.pause()
    optimizer.zeroGrad()
    await events.end(isFinished(run), failed)
  }
}

async function steps(
  run: TrainRun,
  signal: AbortSignal | undefined,
  agreement: Agreement | undefined,
): Promise<void> {
  const { model, args, optimizer, schedule, state, events, progress } = run
  const { metrics } = progress
  const { control } = events
  const isStopped = (): boolean => signal?.aborted === true && (!isOver(run) || progress.due.length > 0)
  const { group } = run
  const ranks = group?.size ?? 1
  await agreement?.stop()
  await settle(run, signal)
  // After the last step the epoch still has to be closed; `seen` is then 0.
  while (!isStopped() && !(isOver(run) && progress.seen === 0)) {
    if (progress.seen === 0) await events.on('on_epoch_begin')
    const batches = run.batches.batches(progress.epoch, progress.seen, progress.place)
    for await (const dealt of windows(batches, args.gradient_accumulation_steps * ranks)) {
      if (isStopped() || isOver(run)) break
      await events.on('on_step_begin')
      const heard = new Hearing(events)
      const given = dealt.filter((_, i) => i % ranks === (group?.rank ?? 0))
      const window = run.prepare ? await prepared(given, run.prepare) : given
      const learning_rate = args.learning_rate * schedule(state.global_step)
      const {
        loss,
        grad_norm,
        passes,
        tokens,
        skipped: isSkipped,
      } = await trainStep(model, optimizer, window, {
        learning_rate,
        max_grad_norm: args.max_grad_norm,
        objective: run.objective,
        bf16: args.bf16,
        full_determinism: args.full_determinism,
        dropout: run.dropout === false ? undefined : { seed: args.seed, microstep: progress.microstep },
        group,
        ...heard.hooks,
      })
      // The step is complete; nothing from here to its end can fail.
      passes.forEach((stats, i) => metrics.addPass(stats, tokens[i]!))
      metrics.addStep(loss)
      if (!isSkipped) progress.totalLoss += loss
      progress.skipped += isSkipped ? 1 : 0
      progress.skippedInRow = isSkipped ? progress.skippedInRow + 1 : 0
      progress.lastLoss = loss
      progress.last = { grad_norm, learning_rate }
      state.num_input_tokens_seen += tokens.reduce((sum, n) => sum + n, 0)
      state.global_step += 1
      progress.microstep += dealt.length
      progress.seen += dealt.length
      progress.place = run.batches.placeAfter?.(dealt.at(-1)!)
      state.epoch = progress.epoch + progress.seen / run.batchesPerEpoch
      progress.due = dueAfterStep(run)
      heard.throwLate()
      await askControl(run, 'on_step_end', agreement)
      await settle(run, signal)
      await agreement?.stop()
      if (control.should_epoch_stop) break
    }
    if (isStopped() && !control.should_epoch_stop) return
    if (progress.seen === 0 && !isOver(run) && !control.should_epoch_stop) return endWithoutRows(run)
    control.should_epoch_stop = false
    progress.epoch += 1
    progress.seen = 0
    progress.place = undefined
    progress.due = dueAfterEpoch(run)
    await askControl(run, 'on_epoch_end', agreement)
    await settle(run, signal)
    await agreement?.stop()
  }
}

/**
 * Callbacks see what is due as flags, and can change them. If one of them fails, what the options require stays
 * due.
 */
async function askControl(
  { events, progress }: TrainRun,
  event: 'on_step_end' | 'on_epoch_end',
  agreement: Agreement | undefined,
): Promise<void> {
  flagsOf(progress.due, events.control)
  await events.on(event)
  progress.due = dueBy(events.control, progress.due)
  if (agreement) progress.due = await agreement.control(events.control, progress.due)
}

async function prepared(
  window: readonly PackedBatch[],
  prepare: NonNullable<TrainRun['prepare']>,
): Promise<PackedBatch[]> {
  const batches: PackedBatch[] = []
  for (const batch of window) batches.push(await prepare(batch))
  return batches
}

/** A stream that can be read only once, or is empty now: as in transformers the run ends. */
function endWithoutRows({ events, state, progress }: TrainRun): void {
  logger.warning(
    `pass ${progress.epoch + 1} over the stream gives no rows: training ends at step ${state.global_step} of ${state.max_steps}`,
  )
  events.control.should_training_stop = true
}

/** If a callback ends epochs early, the epochs can be over before the steps, as in transformers. */
function isComplete({ state, progress }: TrainRun): boolean {
  return state.global_step >= state.max_steps || progress.epoch >= state.num_train_epochs
}

/** Whether no step is left: the last one is done, or a callback has ended the run. */
function isOver(run: TrainRun): boolean {
  return isComplete(run) || run.events.control.should_training_stop
}

function isFinished(run: TrainRun): boolean {
  const { state, events } = run
  const wasCut = events.control.should_training_stop && state.global_step < state.max_steps
  return run.progress.ended && isComplete(run) && !wasCut
}

/**
 * Does what is due, in order. An evaluation that the signal ends stays due, and so does everything after it;
 * the same holds for a save that fails. What is done is no longer due, even if a callback fails afterwards.
 */
async function settle(run: TrainRun, signal: AbortSignal | undefined): Promise<void> {
  const { due } = run.progress
  for (let next = due[0]; next; next = due[0]) {
    if (next === 'skip') await tellSkipped(run)
    else if (next === 'log') await logNow(run)
    else if (next === 'evaluate') await evaluateNow(run, signal)
    else {
      const folder = await run.save(run)
      due.shift()
      await run.events.saved(folder)
    }
  }
}

/** The first skipped step gets a log row of its own. @throws Error after `max_nonfinite_steps` in a row. */
async function tellSkipped(run: TrainRun): Promise<void> {
  const { progress, events, args } = run
  progress.due.shift()
  if (progress.skippedInRow === 1) await events.logged(events.record(skippedRow(run)))
  if (args.max_nonfinite_steps === 0 || progress.skippedInRow < args.max_nonfinite_steps) return
  const error = tooManySkipped(run)
  // The next train() may skip as many again.
  progress.skippedInRow = 0
  throw error
}

async function logNow({ model, events, state, progress }: TrainRun): Promise<void> {
  const { tokens_per_second, ...row } = progress.metrics.take()
  progress.speed = tokens_per_second
  const full = events.record({
    ...row,
    ...progress.last,
    ...(progress.skipped > 0 && { skipped_steps: progress.skipped }),
    num_tokens: state.num_input_tokens_seen,
    tokens_per_second: tokens_per_second!,
    memory_bytes: model.device.memoryStats().peak,
  })
  progress.due.shift()
  await events.logged(full)
}

async function evaluateNow(run: TrainRun, signal: AbortSignal | undefined): Promise<void> {
  const { args, events, progress, state } = run
  const sets = await run.evaluate(signal)
  progress.due.shift()
  const metrics = Object.assign({}, ...sets) as LogRow
  if (run.schedule.observe) run.schedule.observe(metricOf(metrics, bestMetricName(args)))
  // Callbacks compare with the previous best value, as in transformers.
  const rows = sets.map((set) => ({ set, row: events.record(set) }))
  try {
    for (const { set, row } of rows) await events.logged(row).finally(() => events.evaluated(set))
  } finally {
    const isBest = trackBest(args, state, metrics)
    const saves = args.save_strategy === 'best' ? isBest : events.control.should_save
    if (saves && !progress.due.includes('save')) progress.due.push('save')
  }
}

function finalMetrics({ state, progress, rowsPerStep }: TrainRun): LogRow {
  const { seconds } = progress.clock
  return {
    train_runtime: seconds,
    train_samples_per_second: (state.global_step * rowsPerStep) / seconds,
    train_steps_per_second: state.global_step / seconds,
    train_loss: progress.totalLoss / Math.max(1, state.global_step - progress.skipped),
  }
}
