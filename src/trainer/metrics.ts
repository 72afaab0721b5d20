import type { PassStats } from '../models/pass'
import type { LogRow } from './state'
import { Stopwatch } from './stopwatch'

/** Sums since the last log row. */
export interface MetricSums {
  loss: number
  /** Number of steps in `loss`. */
  steps: number
  /** The last loss that was left out because it is not finite. */
  lastNonFinite?: number | undefined
  entropy: number
  correct: number
  targets: number
  tokens: number
  /** Sums of the objective's own figures, and the number of batches that gave them. */
  figures: Record<string, { sum: number; batches: number }>
}

const zeros = (): MetricSums => ({
  loss: 0,
  steps: 0,
  entropy: 0,
  correct: 0,
  targets: 0,
  tokens: 0,
  figures: {},
})

/** Adds a batch's figures. */
export function addFigures(figures: MetricSums['figures'], metrics: PassStats['metrics'] = {}): void {
  for (const [name, value] of Object.entries(metrics)) {
    const of = (figures[name] ??= { sum: 0, batches: 0 })
    of.sum += value
    of.batches += 1
  }
}

/**
 * The per-token figures of a log row: the means of the objective's own figures, or entropy and accuracy if it
 * has none.
 */
export function figuresOf({
  figures,
  entropy,
  correct,
  targets,
}: Pick<MetricSums, 'figures' | 'entropy' | 'correct' | 'targets'>): LogRow {
  const own = Object.entries(figures)
  if (own.length === 0) return { entropy: entropy / targets, mean_token_accuracy: correct / targets }
  return Object.fromEntries(own.map(([name, { sum, batches }]) => [name, sum / batches]))
}

/** Sums the statistics of microbatches, and computes TRL's per-token means since the last log row. */
export class RunningMetrics {
  constructor(
    private readonly filterNonFinite: boolean,
    public sums: MetricSums = zeros(),
    /** Running while the run is. */
    readonly clock: Stopwatch = new Stopwatch(),
  ) {}

  /** Adds one microbatch. */
  addPass(stats: PassStats, tokens: number): void {
    this.sums.entropy += stats.entropySum
    this.sums.correct += stats.correct
    this.sums.targets += stats.numTargets
    this.sums.tokens += tokens
    addFigures(this.sums.figures, stats.metrics)
  }

  /** Adds one optimizer step with its loss. If filtered, a loss that is not finite is left out of the mean. */
  addStep(loss: number): void {
    const { sums } = this
    if (this.filterNonFinite && !Number.isFinite(loss)) {
      sums.lastNonFinite = loss
      return
    }
    sums.loss += loss
    sums.steps += 1
  }

  get hasSteps(): boolean {
    return this.sums.steps > 0 || this.sums.lastNonFinite !== undefined
  }

  /** Tokens per second since the last row; undefined right after it. */
  get tokensPerSecond(): number | undefined {
    return this.sums.tokens > 0 ? this.sums.tokens / this.clock.seconds : undefined
  }

  /** The row since the last call; resets the sums. */
  take(): LogRow {
    const { loss, steps, lastNonFinite, tokens } = this.sums
    const row = {
      // If every step was left out, there is no mean to show.
      loss: steps === 0 && lastNonFinite !== undefined ? lastNonFinite : loss / steps,
      ...figuresOf(this.sums),
      tokens_per_second: tokens / this.clock.seconds,
    }
    this.sums = zeros()
    this.clock.restart()
    return row
  }
}
