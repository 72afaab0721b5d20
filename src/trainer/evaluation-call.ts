import { Dataset } from '../data/dataset'
import { IterableDataset } from '../data/iterable-dataset'
import { checkNames, show } from '../options/parse'
import type { TrainingData } from './row-sets'

/** One data set or stream, or several by name: an object, or what load_dataset returns. */
export type EvaluationData =
  TrainingData | Readonly<Record<string, TrainingData>> | ReadonlyMap<string, TrainingData>

export interface EvaluateOptions {
  signal?: AbortSignal
  /** The prefix of the metrics' names. Default: 'eval', for predict 'test'. */
  metric_key_prefix?: string
  /** The data set or sets, if not given as the first argument. */
  eval_dataset?: EvaluationData
}

export function isTrainingData(value: unknown): value is TrainingData {
  return value instanceof Dataset || value instanceof IterableDataset
}

/** How messages name an evaluation set. */
export function evaluationName(name: string | undefined): string {
  return name === undefined ? 'evaluation' : `evaluation '${name}'`
}

/** Whether a value is a data set, or several by name. */
export function isEvaluationData(value: unknown): value is EvaluationData {
  if (isTrainingData(value)) return true
  if (typeof value !== 'object' || value === null) return false
  const sets = setsOf(value as EvaluationData)
  return sets.length > 0 && sets.every(({ dataset }) => isTrainingData(dataset))
}

export function setsOf(data: EvaluationData): { name: string | undefined; dataset: TrainingData }[] {
  if (isTrainingData(data)) return [{ name: undefined, dataset: data }]
  const entries = data instanceof Map ? [...(data as Map<string, TrainingData>)] : Object.entries(data)
  return entries.map(([name, dataset]) => ({ name, dataset: dataset as TrainingData }))
}

/**
 * The arguments of `evaluate` and `predict`. @throws TypeError on an unknown option, or a value that is no data
 * set.
 */
export function evaluationCall(
  owner: string,
  data: EvaluationData | EvaluateOptions | undefined,
  options: EvaluateOptions,
  usual: string,
): { data: EvaluationData | undefined; signal: AbortSignal | undefined; prefix: string } {
  const given = data === undefined || isEvaluationData(data) ? options : (data as EvaluateOptions)
  const known = ['signal', 'metric_key_prefix', 'eval_dataset'] as const
  checkNames<EvaluateOptions>(owner, given, known, {
    ignore_keys: { default: null, reason: 'predictions are ids; there are no other outputs to leave out.' },
  })
  const { eval_dataset, signal, metric_key_prefix: prefix = usual } = given
  if (eval_dataset !== undefined && !isEvaluationData(eval_dataset))
    throw new TypeError(
      `[${owner}] eval_dataset: got ${show(eval_dataset)}, needs a Dataset, a stream, or an object of them`,
    )
  if (typeof prefix !== 'string' || prefix === '')
    throw new TypeError(`[${owner}] metric_key_prefix: got ${show(prefix)}, needs a text that is not empty`)
  return { data: isEvaluationData(data) ? data : eval_dataset, signal, prefix }
}
