import { collate } from '../data/collator'
import { chunked } from '../data/sampler'
import type { TokenizedDataset } from '../data/tokenize'
import type { CausalLM } from '../models/causal-lm'
import type { Objective } from '../models/objective'
import { runPass } from '../models/pass'
import type { TrainingArguments } from './arguments'
import type { LogRow } from './state'

/** Means over all targets of the rows: eval_loss and its companions. Rejects between two batches when the signal is aborted. */
export async function evaluateRows(
  model: CausalLM,
  { rows }: TokenizedDataset,
  args: TrainingArguments,
  signal: AbortSignal | undefined,
  objective?: Objective,
): Promise<LogRow> {
  const started = performance.now()
  const sums = { loss: 0, targets: 0, entropy: 0, correct: 0 }
  const batches = chunked(rows, args.per_device_eval_batch_size)
  const autocast = args.bf16 ? ('bfloat16' as const) : undefined
  for (const batch of batches) {
    signal?.throwIfAborted()
    const stats = await runPass(model, collate(batch), { backward: false, autocast, objective })
    sums.loss += stats.lossSum
    sums.targets += stats.numTargets
    sums.entropy += stats.entropySum
    sums.correct += stats.correct
  }
  const seconds = (performance.now() - started) / 1000
  return {
    eval_loss: sums.loss / sums.targets,
    eval_entropy: sums.entropy / sums.targets,
    eval_mean_token_accuracy: sums.correct / sums.targets,
    eval_runtime: seconds,
    eval_samples_per_second: rows.length / seconds,
    eval_steps_per_second: batches.length / seconds,
  }
}
