import type { TrainingArguments } from './arguments'
import { RunningMetrics, type MetricSums } from './metrics'
import type { LogRow } from './state'
import { Stopwatch } from './stopwatch'

/** What a run has to do between two steps; 'skip': tell that a step was skipped. */
export type Due = 'skip' | 'log' | 'evaluate' | 'save'

/** How far a run has come. Kept from one `train()` to the next, it is where a stopped run goes on, to the bit. */
export interface RunProgress {
  epoch: number
  /** Microbatches of this epoch that are done. */
  seen: number
  /** Microbatches of the whole run that are done; tells their dropout masks apart. */
  microstep: number
  /** Steps whose update was skipped because loss, gradient or rate was not finite: in all, and in a row up to now. */
  skipped: number
  skippedInRow: number
  /** Sum over the steps that were not skipped, for the mean of the run. */
  totalLoss: number
  /** Loss of the last step alone; undefined before the first. */
  lastLoss: number | undefined
  /** grad_norm and learning_rate of the last step. */
  last: LogRow
  /** Tokens a second in the last row of the log. */
  speed: number | undefined
  /** What is still to do before the next step. */
  due: Due[]
  /** The last step and everything after it is done; the next `train()` starts a new run. */
  ended: boolean
  /** Figures since the last row of the log. */
  metrics: RunningMetrics
  /** Time spent in `train()`, pauses between two calls left out. */
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

/** The progress in a checkpoint. */
export type SavedProgress = Omit<RunProgress, 'metrics' | 'clock' | 'speed' | 'ended' | 'lastLoss'> & {
  lastLoss?: number | undefined
  metrics: MetricSums & { seconds: number }
  seconds: number
}

/** The progress that a checkpoint holds: the saving itself, when it was due, is done there. */
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
