import type { TrainingArguments } from './arguments'
import { RunningMetrics, type MetricSums } from './metrics'
import type { LogRow } from './state'
import { Stopwatch } from './stopwatch'

/** What a run has to do between two steps. */
export type Due = 'log' | 'evaluate' | 'save'

/** How far a run has come. Kept from one `train()` to the next, it is where a stopped run goes on, to the bit. */
export interface RunProgress {
  epoch: number
  /** Microbatches of this epoch that are done. */
  seen: number
  /** Microbatches of the whole run that are done; tells their dropout masks apart. */
  microstep: number
  /** Sum over the steps, for the mean of the run. */
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

/** The progress in a checkpoint. A number that is not finite is null there, as JSON has no other way. */
export type SavedProgress = Omit<RunProgress, 'metrics' | 'clock' | 'speed' | 'ended'> & {
  metrics: MetricSums & { seconds: number }
  seconds: number
}

/** The progress that a checkpoint holds: with the first thing due, which is to save it, done. */
export function savedProgress(progress: RunProgress): SavedProgress {
  const { epoch, seen, microstep, totalLoss, lastLoss, last, due, metrics, clock } = progress
  return {
    ...{ epoch, seen, microstep, totalLoss, lastLoss, last },
    due: due.slice(1),
    metrics: { ...metrics.sums, seconds: metrics.clock.seconds },
    seconds: clock.seconds,
  }
}

export function restoredProgress(saved: SavedProgress, args: TrainingArguments): RunProgress {
  const { metrics, seconds, totalLoss, ...plain } = saved
  const { seconds: since, ...sums } = metrics
  const number = (value: number | null): number => value ?? NaN
  const restored = { ...sums, loss: number(sums.loss), entropy: number(sums.entropy) }
  return {
    ...newProgress(args),
    ...plain,
    totalLoss: number(totalLoss),
    metrics: new RunningMetrics(args.logging_nan_inf_filter, restored, new Stopwatch(since)),
    clock: new Stopwatch(seconds),
  }
}
