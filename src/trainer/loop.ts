import type { LlamaForCausalLM } from '../models/causal-lm'
import { runPass } from '../models/pass'
import { countTargets, type PackedBatch } from '../models/batch'
import type { AdamW } from '../optim/adamw'
import { clipGradNorm } from '../optim/clip'
import type { Schedule } from '../optim/schedules'
import type { TrainingArguments } from './arguments'
import type { CallbackHandler } from './callbacks'
import { RunningMetrics } from './metrics'
import type { LogRow, TrainerState, TrainOutput } from './state'

/** Everything a run needs. */
export interface TrainRun {
  model: LlamaForCausalLM
  args: TrainingArguments
  optimizer: AdamW
  schedule: Schedule
  state: TrainerState
  events: CallbackHandler
  /** Number of microbatches in an epoch. */
  batchesPerEpoch: number
  /** The microbatches of an epoch, in order. */
  batches: (epoch: number) => Iterable<PackedBatch>
  /** Rows of one full optimizer step, for samples a second. */
  rowsPerStep: number
  evaluate: () => Promise<LogRow>
  save: () => Promise<string>
  signal?: AbortSignal | undefined
}

/**
 * The training loop:
 *   for each epoch, for each window of `gradient_accumulation_steps` microbatches:
 *     gradients of sum(loss) / targets of the whole window; clip; update; log, evaluate and save when due.
 * It ends at a step boundary when the signal is aborted or a callback asks; what was trained stays.
 */
export async function trainLoop(run: TrainRun): Promise<TrainOutput> {
  const { model, args, optimizer, schedule, state, events } = run
  const every = {
    logging: args.get_interval('logging', state.max_steps),
    eval: args.get_interval('eval', state.max_steps),
    save: args.get_interval('save', state.max_steps),
  }
  const metrics = new RunningMetrics(args.logging_nan_inf_filter)
  const started = performance.now()
  let totalLoss = 0
  let microstep = 0
  let last: LogRow = {}
  const stopping = (): boolean => run.signal?.aborted === true || events.control.should_training_stop
  const logStep = (): Promise<void> => {
    const { tokens_per_second, ...row } = metrics.take()
    return events.log({
      ...row,
      ...last,
      num_tokens: state.num_input_tokens_seen,
      tokens_per_second: tokens_per_second!,
    })
  }
  let finished = false
  let failed = true
  try {
    await events.begin()
    if (args.eval_on_start) await evaluateNow(run)
    for (let epoch = 0; state.global_step < state.max_steps && !stopping(); epoch++) {
      let seen = 0
      for (const window of windows(run.batches(epoch), args.gradient_accumulation_steps)) {
        const numItems = window.reduce((n, batch) => n + countTargets(batch), 0)
        let lossSum = 0
        optimizer.zeroGrad()
        for (const batch of window) {
          const dropout = { seed: args.seed, microstep: microstep++ }
          const stats = await runPass(model, batch, {
            numItems,
            dropout,
            autocast: args.bf16 ? 'bfloat16' : undefined,
          })
          metrics.addPass(stats, batch.input_ids.length)
          state.num_input_tokens_seen += batch.input_ids.length
          lossSum += stats.lossSum
        }
        const grad_norm = await clipGradNorm(optimizer.parameters, args.max_grad_norm)
        const learning_rate = args.learning_rate * schedule(state.global_step)
        optimizer.step(learning_rate)
        const loss = numItems > 0 ? lossSum / numItems : 0
        totalLoss += loss
        metrics.addStep(loss)
        last = { grad_norm, learning_rate }

        state.global_step += 1
        seen += window.length
        state.epoch = epoch + seen / run.batchesPerEpoch
        await events.stepEnd()
        const isLast = state.global_step >= state.max_steps
        if (due(every.logging, state.global_step) || (args.logging_first_step && state.global_step === 1))
          await logStep()
        const evaluates = due(every.eval, state.global_step) || (isLast && args.eval_strategy === 'steps')
        if (evaluates && state.global_step >= args.eval_delay) await evaluateNow(run)
        if (due(every.save, state.global_step) || (isLast && args.save_strategy === 'steps'))
          await saveNow(run)
        if (isLast || stopping()) break
      }
      if (args.logging_strategy === 'epoch' && metrics.hasSteps) await logStep()
      if (args.eval_strategy === 'epoch' && state.epoch >= args.eval_delay) await evaluateNow(run)
      if (args.save_strategy === 'epoch') await saveNow(run)
    }
    await model.device.synchronize()
    finished = state.global_step >= state.max_steps
    const summary = finalMetrics(run, (performance.now() - started) / 1000, totalLoss)
    if (args.logging_strategy !== 'no') await events.log(summary)
    failed = false
    return {
      global_step: state.global_step,
      training_loss: summary['train_loss']!,
      metrics: { ...summary, epoch: state.epoch },
      stopped: !finished,
    }
  } finally {
    optimizer.zeroGrad()
    await events.end(finished, failed)
  }
}

function due(interval: number, step: number): boolean {
  return interval > 0 && step % interval === 0
}

async function evaluateNow(run: TrainRun): Promise<void> {
  const metrics = await run.evaluate()
  await run.events.log(metrics)
  await run.events.evaluated(metrics)
  run.schedule.observe?.(metrics['eval_loss']!)
}

async function saveNow(run: TrainRun): Promise<void> {
  await run.events.saved(await run.save())
}

function finalMetrics(run: TrainRun, seconds: number, totalLoss: number): LogRow {
  const { state } = run
  return {
    train_runtime: seconds,
    train_samples_per_second: (state.global_step * run.rowsPerStep) / seconds,
    train_steps_per_second: state.global_step / seconds,
    train_loss: totalLoss / Math.max(1, state.global_step),
  }
}

/** Groups of `size` items; the last may be shorter. */
function* windows<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let window: T[] = []
  for (const item of items) {
    window.push(item)
    if (window.length === size) {
      yield window
      window = []
    }
  }
  if (window.length > 0) yield window
}
