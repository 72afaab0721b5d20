import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { get_scheduler, schedulerNames } from '../../src/optim/schedules'
import { golden } from '../support/shared'

interface Case {
  name: string
  kwargs: Record<string, unknown>
  lr: number[]
  after_last?: number
  metrics?: number[]
}
const file = JSON.parse(readFileSync(golden('schedules.json'), 'utf8')) as {
  total: number
  warmup: number
  peak: number
  schedules: Case[]
  tutorial_250_steps: { lr: number[]; warmup_steps: number }
}

function expectClose(actual: number, wanted: number, what: string): void {
  const close = Math.abs(actual - wanted) <= 1e-9 * Math.abs(wanted) + 1e-22
  expect(close, `${what}: ${actual} for ${wanted}`).toBe(true)
}

describe('get_scheduler', () => {
  it('is tested for every name', () => {
    expect([...new Set(file.schedules.map((s) => s.name))].sort()).toEqual([...schedulerNames].sort())
  })

  it.each(file.schedules.map((s): [string, Case] => [`${s.name} ${JSON.stringify(s.kwargs)}`, s]))(
    '%s equals transformers',
    (_, { name, kwargs, lr, after_last, metrics }) => {
      const { total, warmup, peak } = file
      const schedule = get_scheduler(name, {
        num_warmup_steps: warmup,
        num_training_steps: total,
        learning_rate: peak,
        lr_scheduler_kwargs: kwargs,
      })
      expect(schedule.observe !== undefined).toBe(metrics !== undefined)
      expect(lr).toHaveLength(total)
      lr.forEach((wanted, step) => {
        expectClose(peak * schedule(step), wanted, `step ${step}`)
        schedule.observe?.(metrics?.[step] ?? NaN)
      })
      if (after_last !== undefined) expectClose(peak * schedule(total), after_last, 'after the last step')
    },
  )

  it("equals the tutorial's 250 steps", () => {
    const { lr, warmup_steps } = file.tutorial_250_steps
    const schedule = get_scheduler('cosine', {
      num_warmup_steps: warmup_steps,
      num_training_steps: 250,
      learning_rate: 2e-4,
    })
    lr.forEach((wanted, step) => expectClose(2e-4 * schedule(step), wanted, `step ${step}`))
  })

  it('starts at the peak without warm-up, and survives a warm-up as long as the run', () => {
    for (const name of schedulerNames) {
      const extra = name.includes('min_lr')
        ? { min_lr: 0 }
        : name === 'warmup_stable_decay'
          ? { num_decay_steps: 1 }
          : {}
      const at = (warmup: number, step: number): number =>
        get_scheduler(name, {
          num_warmup_steps: warmup,
          num_training_steps: 4,
          learning_rate: 1e-3,
          lr_scheduler_kwargs: extra,
        })(step)
      if (name !== 'cosine_warmup_with_min_lr') expect(at(0, 0), name).toBe(1)
      expect(Number.isFinite(at(4, 4)), name).toBe(true)
    }
  })

  it('raises, waits, and starts again from the peak (greedy)', () => {
    const kwargs = { patience: 0, factor: 0.5, min_lr: 0.25, max_lr: 4, reset_start: 2, warmup: 1 }
    const greedy = get_scheduler('greedy', {
      num_training_steps: 9,
      learning_rate: 1,
      lr_scheduler_kwargs: kwargs,
    })
    const rates = [10, 9, 8, 8, 8, 8, 8, 8].map((metric) => {
      greedy.observe?.(metric)
      return greedy(0)
    })
    // better: up; waits; better: up; waits; then four times no better: down, down, down, down to the floor.
    expect(rates).toEqual([2, 2, 4, 4, 2, 1, 0.5, 0.25])
    greedy.observe?.(8)
    expect(greedy(0)).toBe(1)
  })

  it('judges the mean of a window (greedy, smooth)', () => {
    const make = (smooth: boolean): number => {
      const kwargs = { patience: 1, factor: 0.5, min_lr: 0, smooth, window_size: 2 }
      const greedy = get_scheduler('greedy', {
        num_training_steps: 9,
        learning_rate: 1,
        lr_scheduler_kwargs: kwargs,
      })
      for (const metric of [4, 1, 3, 1]) greedy.observe?.(metric)
      return greedy(0)
    }
    expect(make(false)).toBe(0.5)
    expect(make(true)).toBe(1)
  })

  it('names the nearest schedule and checks the extras', () => {
    const settings = { num_training_steps: 10, learning_rate: 1e-3 }
    const extra = (name: string, lr_scheduler_kwargs: Record<string, unknown>) => () =>
      get_scheduler(name, { ...settings, lr_scheduler_kwargs })
    expect(() => get_scheduler('cosin', settings)).toThrow(
      "[get_scheduler] unknown schedule 'cosin'. Did you mean 'cosine'?",
    )
    expect(() => get_scheduler('toString', settings)).toThrow('unknown schedule')
    expect(extra('linear', { num_cycles: 1 })).toThrow(
      "[lr_scheduler_kwargs of linear] unknown option 'num_cycles'",
    )
    expect(extra('cosine', { num_cycle: 1 })).toThrow("Did you mean 'num_cycles'?")
    expect(extra('cosine_with_min_lr', {})).toThrow('cosine_with_min_lr needs one of min_lr')
    expect(extra('cosine_with_min_lr', { min_lr: 0, min_lr_rate: 0 })).toThrow('needs one of min_lr')
    expect(extra('warmup_stable_decay', {})).toThrow('needs num_decay_steps')
    expect(extra('polynomial', { lr_end: 1 })).toThrow(
      'lr_end: got 1, needs a rate below learning_rate (0.001)',
    )
  })
})
