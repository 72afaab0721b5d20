import type { CausalLM } from '../models/causal-lm'
import type { TrainingArguments } from './arguments'
import type { CallbackHandler } from './callbacks'
import { evaluateRows, type ComputeMetrics } from './evaluation'
import { type EvaluationData, evaluationName, setsOf } from './evaluation-call'
import type { RowSets, TrainingData } from './row-sets'
import { groupOf } from './ranks'
import type { LogRow } from './state'
import type { TrainingTask } from './task'

/** What a trainer evaluates with; model and task are there when it is loaded. */
export interface EvaluatorParts {
  owner: string
  args: TrainingArguments
  sets: RowSets
  eval_dataset: EvaluationData | null
  compute_metrics: ComputeMetrics | undefined
  model(): CausalLM
  task(): TrainingTask
}

/** Measures a trainer's model on data sets. */
export class Evaluator {
  constructor(private readonly parts: EvaluatorParts) {}

  /** @throws Error when a set that the run is to be evaluated on is empty or cannot be read. */
  async check(signal: AbortSignal | undefined): Promise<void> {
    const { args, sets, eval_dataset, task } = this.parts
    if (!eval_dataset || (args.eval_strategy === 'no' && !args.eval_on_start)) return
    for (const { name, dataset } of setsOf(eval_dataset))
      await sets.check(task(), dataset, evaluationName(name), signal)
  }

  /** The metrics of each evaluation set. */
  async measure(
    signal: AbortSignal | undefined,
    events: CallbackHandler,
    given: EvaluationData | undefined,
    prefix: string,
  ): Promise<LogRow[]> {
    const { owner, eval_dataset } = this.parts
    const data = given ?? eval_dataset
    if (!data) throw new Error(`[${owner}] evaluate: give a data set, or eval_dataset to the constructor`)
    const all: LogRow[] = []
    for (const { name, dataset } of setsOf(data)) {
      const of = { name: evaluationName(name), prefix: name ? `${prefix}_${name}` : prefix }
      const { metrics } = await this.over(dataset, signal, events, of)
      all.push(metrics)
    }
    return all
  }

  /** Metrics and, where asked for, predictions of one set. */
  async over(
    dataset: TrainingData,
    signal: AbortSignal | undefined,
    events: CallbackHandler,
    { name, prefix, predictions }: { name: string; prefix: string; predictions?: boolean },
  ): ReturnType<typeof evaluateRows> {
    const { args, sets, compute_metrics, model, task } = this.parts
    const rows = await sets.measured(task(), dataset, name, signal)
    const group = await groupOf(model().device, args)
    return evaluateRows(model(), rows, args, task(), {
      ...{ signal, group, prefix, compute_metrics },
      ...(predictions && { predictions }),
      onBatch: () => events.on('on_prediction_step'),
    })
  }
}
