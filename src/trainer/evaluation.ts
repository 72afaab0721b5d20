import { collate } from '../data/collator'
import type { LabelledRow } from '../data/packing'
import { chunked } from '../data/sampler'
import type { CausalLM } from '../models/causal-lm'
import { runPass } from '../models/pass'
import type { TrainingArguments } from './arguments'
import { addFigures, figuresOf, type MetricSums } from './metrics'
import type { LogRow } from './state'
import type { TrainingTask } from './task'

/**
 * Means over the rows: eval_loss and its companions. A task's own loss is a mean over rows, else it is one over targets. Rejects between
 * two batches when the signal is aborted.
 */
export async function evaluateRows(
  model: CausalLM,
  rows: readonly LabelledRow[],
  args: TrainingArguments,
  signal: AbortSignal | undefined,
  { objective, prepare, lossPer }: Pick<TrainingTask, 'objective' | 'prepare' | 'lossPer'>,
): Promise<LogRow> {
  const started = performance.now()
  const sums = { loss: 0, targets: 0, entropy: 0, correct: 0, figures: {} as MetricSums['figures'] }
  let weights = 0
  const batches = chunked(rows, args.per_device_eval_batch_size)
  const autocast = args.bf16 ? ('bfloat16' as const) : undefined
  for (const batch of batches) {
    signal?.throwIfAborted()
    const collated = collate(batch)
    const given = prepare ? await prepare(collated) : collated
    const stats = await runPass(model, given, { backward: false, autocast, objective })
    const weight = lossPer === 'row' ? batch.length : stats.numTargets
    sums.loss += lossPer === 'row' ? (stats.lossSum / stats.numTargets) * weight : stats.lossSum
    weights += weight
    sums.targets += stats.numTargets
    sums.entropy += stats.entropySum
    sums.correct += stats.correct
    addFigures(sums.figures, stats.metrics)
  }
  const seconds = (performance.now() - started) / 1000
  const figures = Object.entries(figuresOf(sums)).map(([name, value]) => [`eval_${name}`, value] as const)
  return {
    eval_loss: sums.loss / weights,
    ...Object.fromEntries(figures),
    eval_runtime: seconds,
    eval_samples_per_second: rows.length / seconds,
    eval_steps_per_second: batches.length / seconds,
  }
}
