import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { TrainerCallback } from '../../src/trainer/callbacks'
import { texts, tinyTrainer } from './tiny'

it('every event of transformers, in its order', async () => {
  const events: string[] = []
  const names = [
    ...['on_init_end', 'on_train_begin', 'on_epoch_begin', 'on_step_begin', 'on_substep_end'],
    ...['on_pre_optimizer_step', 'on_optimizer_step', 'on_step_end', 'on_epoch_end', 'on_log'],
    ...['on_prediction_step', 'on_evaluate', 'on_save', 'on_train_end'],
  ]
  const callback = Object.fromEntries(
    names.map((name) => [
      name,
      (_: unknown, state: { global_step: number }) => events.push(`${name} ${state.global_step}`),
    ]),
  ) as unknown as TrainerCallback
  const trainer = await tinyTrainer(
    {
      ...{
        max_steps: -1,
        num_train_epochs: 1,
        gradient_accumulation_steps: 2,
        per_device_train_batch_size: 1,
      },
      ...{ eval_strategy: 'epoch', save_strategy: 'epoch', logging_steps: 1 },
    },
    { train_dataset: texts(3), eval_dataset: texts(1), callbacks: [callback] },
  )
  await trainer.train()
  expect(events).toEqual([
    ...['on_init_end 0', 'on_train_begin 0', 'on_epoch_begin 0', 'on_step_begin 0', 'on_substep_end 0'],
    ...['on_pre_optimizer_step 0', 'on_optimizer_step 0', 'on_step_end 1', 'on_log 1'],
    // The last window of an epoch has one batch.
    ...['on_step_begin 1', 'on_pre_optimizer_step 1', 'on_optimizer_step 1', 'on_step_end 2', 'on_log 2'],
    ...['on_epoch_end 2', 'on_prediction_step 2', 'on_log 2', 'on_evaluate 2', 'on_save 2'],
    ...['on_log 2', 'on_train_end 2'],
  ])
})

it('control flags: what is due can be asked for and called off, an epoch ended', async () => {
  const seen: boolean[] = []
  const trainer = await tinyTrainer(
    { max_steps: -1, num_train_epochs: 2, logging_steps: 1, save_strategy: 'no' },
    {
      eval_dataset: texts(2),
      callbacks: [
        {
          on_step_end: (_, state, control) => {
            seen.push(control.should_log)
            if (state.global_step === 1) control.should_log = false
            if (state.global_step === 2) control.should_evaluate = control.should_save = true
            if (state.global_step === 2) control.should_epoch_stop = true
          },
        },
      ],
    },
  )
  await trainer.train()
  const { log_history, global_step } = trainer.state
  expect(seen.every((flag) => flag)).toBe(true)
  expect(log_history.filter((row) => 'loss' in row).map((row) => row['step'])).not.toContain(1)
  expect(log_history.filter((row) => 'eval_loss' in row).map((row) => row['step'])).toEqual([2])
  expect(existsSync(join(trainer.args.output_dir, 'checkpoint-2'))).toBe(true)
  // 4 steps an epoch: the first ended after 2, the second went to its end.
  expect(global_step).toBe(6)
})

it('callbacks are added and taken away, as objects and as classes', async () => {
  const steps: string[] = []
  class Counting implements TrainerCallback {
    on_step_end(): void {
      steps.push('class')
    }
  }
  const once: TrainerCallback = { on_step_end: () => void steps.push('object') }
  const trainer = await tinyTrainer({ max_steps: 1 })
  trainer.add_callback(Counting)
  trainer.add_callback(once)
  await trainer.train()
  expect(steps).toEqual(['class', 'object'])
  expect(trainer.pop_callback(once)).toBe(once)
  trainer.remove_callback(Counting)
  await trainer.train()
  expect(steps.length).toBe(2)
  expect(() => trainer.add_callback({ on_stepend: () => {} } as never)).toThrow("Did you mean 'on_step_end'?")
})

it('a callback that fails on hearing of an update leaves the step counted', async () => {
  let fail = true
  const trainer = await tinyTrainer(
    { max_steps: 2 },
    {
      callbacks: [
        {
          on_optimizer_step: () => {
            if (fail) throw new Error('boom')
          },
        },
      ],
    },
  )
  await expect(trainer.train()).rejects.toThrow('boom')
  expect(trainer.state.global_step).toBe(1)
  fail = false
  const plain = await tinyTrainer({ max_steps: 2 })
  await Promise.all([trainer.train(), plain.train()])
  const values = async (t: typeof plain): Promise<unknown> =>
    Promise.all(t.model.parameters().map(({ data }) => data.data()))
  expect(await values(trainer)).toEqual(await values(plain))
})
