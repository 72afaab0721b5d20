import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { RunningMetrics } from '../../src/trainer/metrics'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

const stats = { lossSum: 2, numTargets: 4, entropySum: 1, correct: 2 }

it('counts tokens a second of the time that a run trains, not of its pause', () => {
  const metrics = new RunningMetrics(true)
  metrics.clock.resume()
  expect(metrics.tokensPerSecond).toBeUndefined()
  vi.advanceTimersByTime(1000)
  metrics.addPass(stats, 100)
  metrics.addStep(0.5)
  metrics.clock.pause()
  vi.advanceTimersByTime(60_000)
  metrics.clock.resume()
  vi.advanceTimersByTime(1000)
  expect(metrics.tokensPerSecond).toBe(50)
  expect(metrics.take()).toEqual({
    loss: 0.5,
    entropy: 0.25,
    mean_token_accuracy: 0.5,
    tokens_per_second: 50,
  })
  expect(metrics.tokensPerSecond).toBeUndefined()
})
