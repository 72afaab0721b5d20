import type { TrainingArguments } from './arguments'
import { RunningMetrics, type MetricSums } from './metrics'
import type { LogRow } from './state'
import { Stopwatch } from './stopwatch'
import type { StreamPlace } from './stream-batches'

/** What a run has to do between two steps; 'skip': report that a step was skipped. */
export type Due = 'skip' | 'log' | 'evaluate' | 'save'

/**
 * The progress of a run. It is kept between two calls of `train()`, so that a stopped run continues with the
 * same bits.
 */
export interface RunProgress {
  epoch: number
  /** Completed microbatches of this epoch. */
  seen: number
  /** Of a stream: where this pass stands; undefined at its start. */
  place?: StreamPlace | undefined
  /** Completed microbatches of the whole run; identifies their dropout masks. */
  microstep: number
  /**
   * Number of steps whose update was skipped because loss, gradient or rate was not finite: in total, and in a
   * row up to now.
   */
  skipped: number
  skippedInRow: number
  /** Sum over the steps that were not skipped, for the mean loss of the run. */
  totalLoss: number
  /** Loss of the last step; undefined before the first. */
  lastLoss: number | undefined
  /** grad_norm and learning_rate of the last step. */
  last: LogRow
  /** Tokens per second in the last log row. */
  speed: number | undefined
  /** What is still to do before the next step. */
  due: Due[]
  /** The last step and everything after it are done; the next `train()` starts a new run. */
  ended: boolean
  /** Figures since the last log row. */
  metrics: RunningMetrics
  /** Time spent in `train()`, without pauses between calls. */
  clock: Stopwatch
}

export function newProgress(args: TrainingArguments): RunProgress {
  return {
    epoch: 0,
    seen: 0,
    microstep: 0,
    skipped: 0,
    skippedInRow: 0,
    totalLoss: 0,
    lastLoss: undefined,
    last: {},
    speed: undefined,
    due: args.eval_on_start ? ['evaluate'] : [],
    ended: false,
    metrics: new RunningMetrics(args.logging_nan_inf_filter),
    clock: new Stopwatch(),
  }
}

/** The progress as a checkpoint stores it. */
export type SavedProgress = Omit<RunProgress, 'metrics' | 'clock' | 'speed' | 'ended' | 'lastLoss'> & {
  lastLoss?: number | undefined
  metrics: MetricSums & { seconds: number }
  seconds: number
}

/** The progress for a checkpoint; saving itself is no longer due in it. */
export function savedProgress(progress: RunProgress): SavedProgress {
  const { metrics, clock, speed: _, ended: __, due, ...plain } = progress
  return {
    ...plain,
    due: due[0] === 'save' ? due.slice(1) : due,
    metrics: { ...metrics.sums, seconds: metrics.clock.seconds },
    seconds: clock.seconds,
  }
}

export function restoredProgress(saved: SavedProgress, args: TrainingArguments): RunProgress {
  const { metrics, seconds, ...plain } = saved
  const { seconds: since, ...sums } = metrics
  return {
    ...newProgress(args),
    ...plain,
    metrics: new RunningMetrics(args.logging_nan_inf_filter, sums, new Stopwatch(since)),
    clock: new Stopwatch(seconds),
  }
}
