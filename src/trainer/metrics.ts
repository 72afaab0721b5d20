import type { PassStats } from '../models/pass'
import type { LogRow } from './state'

/** Sums what microbatches measured, and gives TRL's per-token means of the time since the last log. */
export class RunningMetrics {
  private lossSum = 0
  private steps = 0
  private entropySum = 0
  private correct = 0
  private targets = 0
  private tokens = 0
  private since: number = performance.now()

  constructor(private readonly filterNonFinite: boolean) {}

  /** One microbatch. */
  addPass(stats: PassStats, tokens: number): void {
    this.entropySum += stats.entropySum
    this.correct += stats.correct
    this.targets += stats.numTargets
    this.tokens += tokens
  }

  /** One optimizer step with its loss. A loss that is not finite counts as the mean of the others when filtered. */
  addStep(loss: number): void {
    const counted =
      this.filterNonFinite && !Number.isFinite(loss) ? this.lossSum / Math.max(1, this.steps) : loss
    this.lossSum += counted
    this.steps += 1
  }

  get hasSteps(): boolean {
    return this.steps > 0
  }

  /** The row since the last call, and starts anew. */
  take(): LogRow {
    const seconds = (performance.now() - this.since) / 1000
    const row = {
      loss: this.lossSum / this.steps,
      entropy: this.entropySum / this.targets,
      mean_token_accuracy: this.correct / this.targets,
      tokens_per_second: this.tokens / seconds,
    }
    this.lossSum = this.steps = this.entropySum = this.correct = this.targets = this.tokens = 0
    this.since = performance.now()
    return row
  }
}
