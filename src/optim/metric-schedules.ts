import type { OptionSet } from '../options/declaration'
import { count, flag, oneOf, real } from '../options/schemas'
import type { Schedule } from './schedule'

type Extras = <T extends object>(options: OptionSet<T>['options']) => T

interface Comparison {
  mode: 'min' | 'max'
  threshold: number
  threshold_mode: 'rel' | 'abs'
}

interface Watch extends Comparison {
  factor: number
  patience: number
  cooldown: number
  min_lr: number
  eps: number
}

const worst = ({ mode }: Comparison): number => (mode === 'min' ? Infinity : -Infinity)

/** Whether `value` beats `best` by more than the threshold. */
function isBetter({ mode, threshold, threshold_mode }: Comparison, value: number, best: number): boolean {
  const sign = mode === 'min' ? -1 : 1
  const bar = threshold_mode === 'rel' ? best * (1 + sign * threshold) : best + sign * threshold
  return mode === 'min' ? value < bar : value > bar
}

function watchOptions(
  defaults: Pick<Watch, 'factor' | 'threshold' | 'threshold_mode' | 'min_lr'>,
): OptionSet<Watch>['options'] {
  return {
    mode: {
      schema: oneOf('min', 'max'),
      default: 'min',
      doc: 'Whether a smaller or a larger metric is better.',
    },
    factor: { schema: real({ above: 0, below: 1 }), default: defaults.factor, doc: 'Factor of a reduction.' },
    patience: { schema: count(0), default: 10, doc: 'Evaluations without a change that are tolerated.' },
    threshold: { schema: real({ min: 0 }), default: defaults.threshold, doc: 'Smallest change that counts.' },
    threshold_mode: {
      schema: oneOf('rel', 'abs'),
      default: defaults.threshold_mode,
      doc: 'Relative to the best, or not.',
    },
    cooldown: { schema: count(0), default: 0, doc: 'Evaluations to wait after a reduction.' },
    min_lr: { schema: real({ min: 0 }), default: defaults.min_lr, doc: 'Lowest rate.' },
    eps: { schema: real({ min: 0 }), default: 1e-8, doc: 'Smaller changes of the rate are not made.' },
  }
}

/** torch's ReduceLROnPlateau: the rate falls by `factor` after more than `patience` evaluations without a better metric. */
export function plateauSchedule(peak: number, extras: Extras): Schedule {
  const watch = extras(watchOptions({ factor: 0.1, threshold: 1e-4, threshold_mode: 'rel', min_lr: 0 }))
  let rate = peak
  let best = worst(watch)
  let bad = 0
  let cooldown = 0
  const observe = (metric: number): void => {
    if (isBetter(watch, metric, best)) [best, bad] = [metric, 0]
    else bad++
    if (cooldown > 0) {
      cooldown--
      bad = 0
    }
    if (bad <= watch.patience) return
    const next = Math.max(rate * watch.factor, watch.min_lr)
    if (rate - next > watch.eps) rate = next
    cooldown = watch.cooldown
    bad = 0
  }
  return Object.assign(() => (peak === 0 ? 0 : rate / peak), { observe })
}

/** transformers' GreedyLR: the rate also rises, by 1 / `factor`, while the metric keeps getting better. */
export function greedySchedule(peak: number, extras: Extras): Schedule {
  const options = extras<
    Watch & { warmup: number; max_lr: number; smooth: boolean; window_size: number; reset_start: number }
  >({
    ...watchOptions({ factor: 0.95, threshold: 1e-6, threshold_mode: 'abs', min_lr: 1e-3 }),
    warmup: { schema: count(0), default: 0, doc: 'Evaluations to wait after a rise.' },
    max_lr: { schema: real({ above: 0 }), default: 1, doc: 'Highest rate.' },
    smooth: { schema: flag, default: false, doc: 'Judge the mean of the last window_size metrics.' },
    window_size: { schema: count(1), default: 50, doc: 'Metrics in that mean.' },
    reset_start: {
      schema: count(1),
      default: 500,
      doc: 'Reductions at the lowest rate before it starts again from the peak.',
    },
  })
  let rate = peak
  let best = worst(options)
  let [good, bad, waiting] = [0, 0, 0]
  let resetIn = options.reset_start
  let recent: number[] = []

  const reduce = (): void => {
    const next = Math.max(rate * options.factor, options.min_lr)
    if (rate - next > options.eps) rate = next
    if (rate > options.min_lr || --resetIn > 0) return
    ;[rate, best, waiting, resetIn, recent] = [peak, worst(options), 0, options.reset_start, []]
  }
  const raise = (): void => {
    const next = Math.min(rate / options.factor, options.max_lr)
    if (next - rate > options.eps) rate = next
    resetIn = options.reset_start
  }
  const smoothed = (metric: number): number => {
    if (!options.smooth) return metric
    recent = [...recent, metric].slice(-options.window_size)
    return recent.reduce((sum, value) => sum + value, 0) / recent.length
  }
  const observe = (metric: number): void => {
    const value = smoothed(metric)
    if (waiting > 0) {
      ;[waiting, good, bad] = [waiting - 1, 0, 0]
      return
    }
    if (isBetter(options, value, best)) [best, good, bad] = [value, good + 1, 0]
    else [good, bad] = [0, bad + 1]
    if (good > options.patience) {
      raise()
      ;[waiting, good] = [options.warmup, 0]
    } else if (bad > options.patience) {
      reduce()
      ;[waiting, bad] = [options.cooldown, 0]
    }
  }
  return Object.assign(() => (peak === 0 ? 0 : rate / peak), { observe })
}
