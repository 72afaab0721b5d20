import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { streamOutput } from '../../src/display/output'
import { watch, type Watched } from '../../src/display/watch'
import type { TrainerStatus } from '../../src/display/watch'
import { fakeNotebook, fakeStream, figureOf } from './fake-output'

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

/** A trainer whose run is told step by step. */
function fakeTrainer(): Watched & { now: TrainerStatus; step(): void } {
  const log_history: Record<string, number>[] = []
  const now: TrainerStatus = {
    training: false,
    global_step: 0,
    max_steps: 0,
    epoch: 0,
    loss: undefined,
    learning_rate: undefined,
    grad_norm: undefined,
    tokens_per_second: undefined,
    device: 'cuda:0',
    device_memory: { allocated: 2 ** 30, peak: 1.5 * 2 ** 30, reserved: 2 ** 31, pinned: 0 },
    host_memory: 2 ** 29,
  }
  return {
    now,
    status: () => ({ ...now }),
    state: { log_history },
    step() {
      now.global_step += 1
      Object.assign(now, {
        training: true,
        max_steps: 4,
        loss: 3 / now.global_step,
        learning_rate: 2e-4,
        tokens_per_second: 290.4,
      })
      log_history.push({ step: now.global_step, loss: now.loss! })
    },
  }
}

it('keeps a panel of loss, speed and memory up to date until the run ends', async () => {
  const trainer = fakeTrainer()
  const output = fakeNotebook()
  watch(trainer, { output })
  const panel = output.outputs.at(-1)!
  expect(panel.map((frame) => frame['text/plain'])).toEqual([
    'not started: step 0, epoch 0, cuda:0 1.00 GiB (peak 1.50 GiB), process 512.0 MiB',
  ])
  await vi.advanceTimersByTimeAsync(5_000)
  expect(panel.length).toBe(1)
  trainer.step()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(panel.length).toBe(2)
  trainer.step()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(panel.at(-1)!['text/plain']).toBe(
    'training: step 2 of 4, epoch 0, loss 1.5, learning rate 2e-4, 290 tokens/s, ' +
      'cuda:0 1.00 GiB (peak 1.50 GiB), process 512.0 MiB',
  )
  const html = String(panel.at(-1)!['text/html'])
  expect(html).toContain('<b>1.00 GiB (peak 1.50 GiB)</b>')
  expect(figureOf(html.replace(/^.*?(?=<div class="qlora-chart")/s, '')).data[0]!['y']).toEqual([3, 1.5])
  trainer.now.training = false
  await vi.advanceTimersByTimeAsync(1_000)
  expect(panel.at(-1)!['text/plain']).toMatch(/^stopped: step 2 of 4/)
  expect(vi.getTimerCount()).toBe(0)
})

it('sees a run that is over before the first look', async () => {
  const trainer = fakeTrainer()
  watch(trainer, { output: fakeNotebook() })
  for (let i = 0; i < 4; i++) trainer.step()
  trainer.now.training = false
  await vi.advanceTimersByTimeAsync(2_000)
  expect(vi.getTimerCount()).toBe(0)
})

it('prints lines elsewhere, and ends when its signal is aborted', async () => {
  const trainer = fakeTrainer()
  const stream = fakeStream(false)
  const controller = new AbortController()
  watch(trainer, { output: streamOutput(stream), signal: controller.signal })
  trainer.step()
  await vi.advanceTimersByTimeAsync(10_000)
  controller.abort()
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  await new Promise((resolve) => setImmediate(resolve))
  expect(
    stream
      .text()
      .trimEnd()
      .split('\n')
      .map((line) => line.split(':')[0]),
  ).toEqual(['not started', 'training'])
})
