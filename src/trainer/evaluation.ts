import { collate } from '../data/collator'
import type { LabelledRow } from '../data/packing'
import type { ProcessGroup } from '../distributed/group'
import { windows } from './windows'
import type { CausalLM } from '../models/causal-lm'
import { runPass, type PassStats } from '../models/pass'
import type { TrainingArguments } from './arguments'
import { addFigures, figuresOf, type MetricSums } from './metrics'
import type { LogRow } from './state'
import type { TrainingTask } from './task'

/**
 * The argument of `compute_metrics`: for each row, the most likely next token after each of its tokens, and the
 * labels, -100 for tokens that do not count.
 */
export interface EvalPrediction {
  predictions: Int32Array[]
  label_ids: Int32Array[]
}

export type ComputeMetrics = (prediction: EvalPrediction) => LogRow | Promise<LogRow>

export interface EvaluationOptions {
  signal: AbortSignal | undefined
  /** The ranks that share the batches; all get the same metrics. */
  group: ProcessGroup | undefined
  /** The prefix of the metrics' names: `eval` gives eval_loss. */
  prefix: string
  compute_metrics?: ComputeMetrics | undefined
  /** Return the predictions even without compute_metrics. */
  predictions?: boolean
  /** Called after each batch. */
  onBatch?: () => Promise<void>
}

/**
 * Means over the rows: eval_loss and the other built-in metrics, and those of compute_metrics. The loss is a
 * mean over targets, or for a task with its own loss a mean over rows. Rejects between two batches when the
 * signal is aborted.
 */
export async function evaluateRows(
  model: CausalLM,
  rows: Iterable<LabelledRow> | AsyncIterable<LabelledRow>,
  args: TrainingArguments,
  { objective, prepare, lossPer }: Pick<TrainingTask, 'objective' | 'prepare' | 'lossPer'>,
  {
    signal,
    group,
    prefix,
    compute_metrics,
    predictions = compute_metrics !== undefined,
    onBatch,
  }: EvaluationOptions,
): Promise<{ metrics: LogRow; prediction: EvalPrediction }> {
  const started = performance.now()
  const sums = { loss: 0, targets: 0, entropy: 0, correct: 0, figures: {} as MetricSums['figures'] }
  const prediction: EvalPrediction = { predictions: [], label_ids: [] }
  let weights = 0
  const counted = { rows: 0, batches: 0 }
  const autocast = args.bf16 ? ('bfloat16' as const) : undefined
  const measured = async (batch: readonly LabelledRow[]): Promise<PassStats> => {
    const collated = collate(batch)
    const given = prepare ? await prepare(collated, false) : collated
    return runPass(model, given, { backward: false, autocast, objective, predictions })
  }
  const count = (batch: readonly LabelledRow[], stats: PassStats): void => {
    counted.rows += batch.length
    counted.batches += 1
    const weight = lossPer === 'row' ? batch.length : stats.numTargets
    sums.loss += lossPer === 'row' ? (stats.lossSum / stats.numTargets) * weight : stats.lossSum
    weights += weight
    sums.targets += stats.numTargets
    sums.entropy += stats.entropySum
    sums.correct += stats.correct
    addFigures(sums.figures, stats.metrics)
    if (stats.predictions) keep(prediction, batch, stats.predictions)
  }
  // One batch for each rank at a time.
  const batches = windows(rows, args.per_device_eval_batch_size)
  for await (const turn of windows(batches, group?.size ?? 1)) {
    signal?.throwIfAborted()
    const own = turn[group?.rank ?? 0]
    const stats = own && (await measured(own))
    const all = group ? await gatherStats(group, stats) : [stats!]
    turn.forEach((batch, i) => count(batch, all[i]!))
    await onBatch?.()
  }
  const seconds = (performance.now() - started) / 1000
  const own = compute_metrics ? await compute_metrics(prediction) : {}
  const named = Object.entries({ ...figuresOf(sums), ...own }).map(
    ([name, value]) => [name.startsWith(`${prefix}_`) ? name : `${prefix}_${name}`, value] as const,
  )
  const metrics = {
    [`${prefix}_loss`]: sums.loss / weights,
    ...Object.fromEntries(named),
    [`${prefix}_runtime`]: seconds,
    [`${prefix}_samples_per_second`]: counted.rows / seconds,
    [`${prefix}_steps_per_second`]: counted.batches / seconds,
  }
  return { metrics, prediction }
}

/** Statistics of the ranks that had a batch. */
async function gatherStats(group: ProcessGroup, own: PassStats | undefined): Promise<(PassStats | null)[]> {
  const all = await group.gather('a batch of the evaluation', {
    stats: own ? { ...own, predictions: undefined } : null,
    predictions: own?.predictions && [...own.predictions],
  })
  return all.map(
    ({ stats, predictions }) =>
      stats && ({ ...stats, ...(predictions && { predictions: Int32Array.from(predictions) }) } as PassStats),
  )
}

function keep(into: EvalPrediction, batch: readonly LabelledRow[], predictions: Int32Array): void {
  let at = 0
  for (const { input_ids, labels } of batch) {
    into.predictions.push(predictions.slice(at, (at += input_ids.length)))
    into.label_ids.push(Int32Array.from(labels))
  }
}
