import { expect, it, vi } from 'vitest'
import { fill } from '../../src/tensor/ops'
import type { TrainerCallback } from '../../src/trainer/callbacks'
import type { SFTTrainer } from '../../src/trainer/sft-trainer'
import type { SFTInit } from '../../src/trainer/options.generated'
import type { LogRow } from '../../src/trainer/state'
import { adapterBytes } from './stoppable'
import { tinyTrainer } from './tiny'

/** A trainer whose final norm is NaN in the steps given, as a bad kernel or row would make losses NaN. */
async function failing(at: number[], args: SFTInit): Promise<SFTTrainer> {
  const set = async (trainer: SFTTrainer, step: number): Promise<void> => {
    const { weight } = trainer.model.base_model.parts.norm
    fill(weight, at.includes(step) ? NaN : 1)
  }
  const callback: TrainerCallback = {
    on_train_begin: (_, s) => set(trainer, s.global_step + 1),
    on_step_end: (_, s) => set(trainer, s.global_step + 1),
  }
  const trainer: SFTTrainer = await tinyTrainer(args, { callbacks: [callback] })
  return trainer
}

const rows = (trainer: SFTTrainer): LogRow[] => trainer.state.log_history.filter((row) => 'loss' in row)

it('a step that is not finite changes nothing, is shown as it is and counted', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const trainer = await failing([2, 3], { max_steps: 4, logging_steps: 4 })
  const seen: Buffer[] = []
  const bytes: TrainerCallback = { on_step_end: async () => void seen.push(await adapterBytes(trainer)) }
  ;(trainer as unknown as { callbacks: TrainerCallback[] }).callbacks.push(bytes)
  const { training_loss } = await trainer.train()
  expect(seen[1]).toEqual(seen[0])
  expect(seen[2]).toEqual(seen[0])
  expect(seen[3]).not.toEqual(seen[2])
  const [first, mean] = rows(trainer)
  expect(first).toMatchObject({ step: 2, loss: NaN, skipped_steps: 1 })
  expect(mean).toMatchObject({ step: 4, skipped_steps: 2 })
  expect(mean!['loss']).toBeGreaterThan(4)
  expect(training_loss).toBe(mean!['loss'])
  expect(
    warn.mock.calls.flat().filter((text) => String(text).includes('the update is skipped')),
  ).toHaveLength(1)
  warn.mockRestore()
})

it.each([
  [true, [NaN, 1]],
  [false, [NaN, NaN]],
])('logging_nan_inf_filter %s concerns the mean only', async (logging_nan_inf_filter, [first, mean]) => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const trainer = await failing([2], { max_steps: 2, logging_steps: 2, logging_nan_inf_filter })
  await trainer.train()
  expect(rows(trainer)[0]!['loss']).toBe(first)
  expect(rows(trainer)[1]!['loss']! > 4).toBe(mean === 1)
  warn.mockRestore()
})

it('after max_nonfinite_steps in a row the run stops with its last good state, and can go on', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const trainer = await failing([2, 3, 4], { max_steps: 6, max_nonfinite_steps: 3 })
  await expect(trainer.train()).rejects.toThrow(
    /3 steps in a row had a loss or gradient that is not finite \(step 4: loss NaN, .*as it was after step 1\. Try a lower learning_rate/,
  )
  expect(trainer.state.global_step).toBe(4)
  expect(await trainer.train()).toMatchObject({ global_step: 6, stopped: false })
  const loss = rows(trainer).map((row) => row['loss']!)
  expect(loss.map(Number.isFinite)).toEqual([true, false, false, false, false, true, true])
  warn.mockRestore()
})

it('a learning rate that is not finite is skipped too', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const trainer = await tinyTrainer(
    { max_steps: 3 },
    { callbacks: [{ on_step_end: (args) => void (args.learning_rate = NaN) }] },
  )
  await trainer.train()
  expect(rows(trainer).at(-1)).toMatchObject({ skipped_steps: 2 })
  for (const p of trainer.model.parameters()) expect((await p.data.data()).every(Number.isFinite)).toBe(true)
  warn.mockRestore()
})
