import { addon } from '../native/addon'
import type { Tensor } from './tensor'

/**
 * Random numbers of Philox4x32-10: the seed is the key, and each filled tensor takes the next stream. The same
 * seed and order of calls give the same numbers on every device.
 */
export class Generator {
  private stream = 0

  constructor(readonly seed: number) {
    if (!Number.isSafeInteger(seed)) throw new Error(`[Generator] seed: expected an integer, got ${seed}`)
  }

  /** Fills with values uniform in [low, high). */
  uniform(out: Tensor, low: number, high: number): void {
    addon().random_uniform(out.handle, low, high, this.seed, this.stream++)
  }

  /** Fills with values of a normal distribution. */
  normal(out: Tensor, mean: number, std: number): void {
    addon().random_normal(out.handle, mean, std, this.seed, this.stream++)
  }
}
