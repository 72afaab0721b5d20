import type { Option, OptionSet } from '../options/declaration'
import { unknownNameError } from '../options/nearest'
import { checkNames, parseOptions } from '../options/parse'
import { count, countOrNull, oneOf, real, realOrNull } from '../options/schemas'
import type { Schedule } from './schedule'
import { greedySchedule, plateauSchedule } from './metric-schedules'

export type { Schedule } from './schedule'

export interface ScheduleSettings {
  /** Default 0. Unused by constant, reduce_lr_on_plateau and greedy. */
  num_warmup_steps?: number
  num_training_steps: number
  /** The peak rate, for schedules with options in absolute terms (lr_end, min_lr, max_lr). */
  learning_rate: number
  lr_scheduler_kwargs?: Record<string, unknown> | null
}

interface Run {
  warmup: number
  total: number
  peak: number
  /** Checks the extras of this schedule: unknown names throw; defaults are added. */
  extras<T extends object>(options: OptionSet<T>['options']): T
}

const doc = 'see transformers.get_scheduler'
const option = <T>(schema: Option<T>['schema'], value: T): Option<T> => ({ schema, default: value, doc })

/** Rises linearly from 0 over the warm-up, then follows `after`. */
function withWarmup({ warmup }: Run, after: (step: number) => number): Schedule {
  return (step) => (step < warmup ? step / Math.max(1, warmup) : after(step))
}

/** The share of the steps after the warm-up that is done. */
const progressOf = ({ warmup, total }: Run, step: number): number =>
  (step - warmup) / Math.max(1, total - warmup)
const halfCosine = (turns: number): number => 0.5 * (1 + Math.cos(Math.PI * 2 * turns))

function minimumRate(name: string, peak: number, minLr: number | null, rate: number | null): number {
  if ((minLr === null) === (rate === null)) {
    throw new TypeError(
      `[lr_scheduler_kwargs] ${name} needs one of min_lr (a rate) and min_lr_rate (a share of the peak)`,
    )
  }
  return rate ?? (peak === 0 ? 0 : (minLr ?? 0) / peak)
}

function cosineWithMinLr(run: Run): Schedule {
  const extra = run.extras<{ num_cycles: number; min_lr: number | null; min_lr_rate: number | null }>({
    num_cycles: option(real(), 0.5),
    min_lr: option(realOrNull({ min: 0 }), null),
    min_lr_rate: option(realOrNull({ min: 0 }), null),
  })
  const floor = minimumRate('cosine_with_min_lr', run.peak, extra.min_lr, extra.min_lr_rate)
  return withWarmup(run, (step) =>
    Math.max(0, halfCosine(extra.num_cycles * progressOf(run, step)) * (1 - floor) + floor),
  )
}

function cosineWarmupWithMinLr(run: Run): Schedule {
  const extra = run.extras<{
    num_cycles: number
    min_lr: number | null
    min_lr_rate: number | null
    warmup_lr_rate: number | null
  }>({
    num_cycles: option(real(), 0.5),
    min_lr: option(realOrNull({ min: 0 }), null),
    min_lr_rate: option(realOrNull({ min: 0 }), null),
    warmup_lr_rate: option(realOrNull({ min: 0 }), null),
  })
  const { warmup } = run
  const floor = minimumRate('cosine_warmup_with_min_lr', run.peak, extra.min_lr, extra.min_lr_rate)
  const start = extra.warmup_lr_rate
  // This schedule counts from step + 1, so that neither the first nor the last step has rate 0.
  return (step) => {
    if (step < warmup) {
      return start === null
        ? (step + 1) / Math.max(1, warmup)
        : start + ((1 - start) * step) / Math.max(1, warmup - 1)
    }
    return Math.max(0, halfCosine(extra.num_cycles * progressOf(run, step + 1)) * (1 - floor) + floor)
  }
}

function polynomial(run: Run): Schedule {
  const { lr_end, power } = run.extras<{ lr_end: number; power: number }>({
    lr_end: option(real({ min: 0 }), 1e-7),
    power: option(real(), 1),
  })
  const { warmup, total, peak } = run
  if (lr_end >= peak && peak > 0) {
    throw new TypeError(
      `[lr_scheduler_kwargs] lr_end: got ${lr_end}, needs a rate below learning_rate (${peak})`,
    )
  }
  return withWarmup(run, (step) => {
    if (peak === 0) return 0
    if (step > total || total === warmup) return lr_end / peak
    return ((peak - lr_end) * (1 - (step - warmup) / (total - warmup)) ** power + lr_end) / peak
  })
}

function inverseSqrt(run: Run): Schedule {
  const given = run.extras<{ timescale: number | null }>({ timescale: option(countOrNull(1), null) })
  const timescale = given.timescale ?? (run.warmup || 10_000)
  return withWarmup(run, (step) => 1 / Math.sqrt((step + timescale - run.warmup) / timescale))
}

type Shape = 'linear' | 'cosine' | '1-sqrt'

function warmupStableDecay(run: Run): Schedule {
  const shapes = oneOf<Shape>('linear', 'cosine', '1-sqrt')
  const extra = run.extras<{
    num_decay_steps: number | null
    num_stable_steps: number | null
    warmup_type: Shape
    decay_type: Shape
    min_lr_ratio: number
    num_cycles: number
  }>({
    num_decay_steps: option(countOrNull(0), null),
    num_stable_steps: option(countOrNull(0), null),
    warmup_type: option(shapes, 'linear'),
    decay_type: option(shapes, 'cosine'),
    min_lr_ratio: option(real({ min: 0 }), 0),
    num_cycles: option(real(), 0.5),
  })
  const { num_decay_steps: decay, min_lr_ratio: floor } = extra
  if (decay === null) throw new TypeError('[lr_scheduler_kwargs] warmup_stable_decay needs num_decay_steps')
  const { warmup, total } = run
  const stable = extra.num_stable_steps ?? total - warmup - decay
  const lifted = (factor: number): number => Math.max(0, factor * (1 - floor) + floor)
  const rise: Record<Shape, (progress: number) => number> = {
    linear: (p) => p,
    cosine: (p) => 0.5 * (1 - Math.cos(Math.PI * p)),
    '1-sqrt': (p) => 1 - Math.sqrt(1 - p),
  }
  const fall: Record<Shape, (progress: number) => number> = {
    linear: (p) => 1 - p,
    cosine: (p) => halfCosine(extra.num_cycles * p),
    '1-sqrt': (p) => 1 - Math.sqrt(p),
  }
  return (step) => {
    if (step < warmup) return lifted(rise[extra.warmup_type](step / Math.max(1, warmup)))
    if (step < warmup + stable) return 1
    if (step >= warmup + stable + decay) return floor
    return lifted(fall[extra.decay_type]((step - warmup - stable) / Math.max(1, decay)))
  }
}

const schedules = {
  linear(run: Run): Schedule {
    run.extras<object>({})
    return withWarmup(run, (step) => Math.max(0, (run.total - step) / Math.max(1, run.total - run.warmup)))
  },
  cosine(run: Run): Schedule {
    const { num_cycles } = run.extras<{ num_cycles: number }>({ num_cycles: option(real(), 0.5) })
    return withWarmup(run, (step) => Math.max(0, halfCosine(num_cycles * progressOf(run, step))))
  },
  cosine_with_restarts(run: Run): Schedule {
    const { num_cycles } = run.extras<{ num_cycles: number }>({ num_cycles: option(count(1), 1) })
    return withWarmup(run, (step) => {
      const progress = progressOf(run, step)
      return progress >= 1 ? 0 : Math.max(0, halfCosine(((num_cycles * progress) % 1) / 2))
    })
  },
  polynomial,
  constant(run: Run): Schedule {
    run.extras<object>({})
    return () => 1
  },
  constant_with_warmup(run: Run): Schedule {
    run.extras<object>({})
    return withWarmup(run, () => 1)
  },
  inverse_sqrt: inverseSqrt,
  cosine_with_min_lr: cosineWithMinLr,
  cosine_warmup_with_min_lr: cosineWarmupWithMinLr,
  warmup_stable_decay: warmupStableDecay,
  reduce_lr_on_plateau: (run: Run): Schedule => plateauSchedule(run.peak, run.extras),
  greedy: (run: Run): Schedule => greedySchedule(run.peak, run.extras),
} as const

export type SchedulerName =
  | 'linear'
  | 'cosine'
  | 'cosine_with_restarts'
  | 'polynomial'
  | 'constant'
  | 'constant_with_warmup'
  | 'inverse_sqrt'
  | 'cosine_with_min_lr'
  | 'cosine_warmup_with_min_lr'
  | 'warmup_stable_decay'
  | 'reduce_lr_on_plateau'
  | 'greedy'

export const schedulerNames: readonly SchedulerName[] = Object.keys(schedules) as SchedulerName[]

/**
 * The schedules of transformers 5, equal to it step by step. The rate of optimizer step `i` (from 0) is
 * `learning_rate * schedule(i)`. Throws `TypeError` on an unknown name and on extras the schedule does not take.
 */
export function get_scheduler(name: string, settings: ScheduleSettings): Schedule {
  if (!Object.hasOwn(schedules, name))
    throw unknownNameError('get_scheduler', name, schedulerNames, 'schedule')
  checkNames<ScheduleSettings>('get_scheduler', settings, [
    'num_warmup_steps',
    'num_training_steps',
    'learning_rate',
    'lr_scheduler_kwargs',
  ])
  const { num_warmup_steps: warmup = 0, num_training_steps: total, learning_rate: peak } = settings
  const kwargs = settings.lr_scheduler_kwargs ?? {}
  return schedules[name as SchedulerName]({
    warmup,
    total,
    peak,
    extras: (options) =>
      parseOptions({ owner: `lr_scheduler_kwargs of ${name}`, options, refused: {} }, kwargs),
  })
}
