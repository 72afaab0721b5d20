import { describe, expect, it } from 'vitest'
import type { TrainerCallback } from '../../src/trainer/callbacks'
import type { SFTInit } from '../../src/trainer/arguments'
import type { SFTTrainer } from '../../src/trainer/sft-trainer'
import type { LogRow } from '../../src/trainer/state'
import { texts, tinyTrainer } from './tiny'

const steps = (trainer: SFTTrainer): LogRow[] => trainer.state.log_history.filter((row) => 'loss' in row)
const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length

describe('log', () => {
  it('has a row a step with finite figures, and the summary last', async () => {
    const trainer = await tinyTrainer({ lr_scheduler_type: 'linear', max_steps: 3 })
    const output = await trainer.train()
    const rows = trainer.state.log_history
    expect(rows.map((row) => row['step'])).toEqual([1, 2, 3, 3])
    for (const row of rows.slice(0, 3)) {
      expect(Object.keys(row).sort()).toEqual([
        'entropy',
        'epoch',
        'grad_norm',
        'learning_rate',
        'loss',
        'mean_token_accuracy',
        'memory_bytes',
        'num_tokens',
        'step',
        'tokens_per_second',
      ])
      expect(Object.values(row).every(Number.isFinite)).toBe(true)
      expect(row['loss']).toBeGreaterThan(4)
      expect(row['memory_bytes']).toBe(trainer.status().device_memory.peak)
      expect(row['entropy']).toBeGreaterThan(0)
      expect(row['entropy']).toBeLessThan(Math.log(512))
      expect(row['grad_norm']).toBeGreaterThan(0)
    }
    expect(rows.map((row) => row['learning_rate']).slice(0, 3)).toEqual([
      1e-3,
      1e-3 * (2 / 3),
      1e-3 * (1 / 3),
    ])
    expect(rows.map((row) => row['epoch'])).toEqual([0.25, 0.5, 0.75, 0.75])
    expect(Object.keys(rows[3]!).sort()).toEqual([
      'epoch',
      'step',
      'train_loss',
      'train_runtime',
      'train_samples_per_second',
      'train_steps_per_second',
    ])
    const loss = mean(steps(trainer).map((row) => row['loss']!))
    expect(output).toMatchObject({ global_step: 3, stopped: false })
    expect(Math.abs(output.training_loss - loss)).toBeLessThanOrEqual(1e-12)
    expect(output.metrics).toMatchObject({ train_loss: output.training_loss, epoch: 0.75 })
    const { train_runtime: seconds, train_samples_per_second: samples } = output.metrics
    expect(Math.abs(samples! * seconds! - 6)).toBeLessThanOrEqual(1e-6)
  })

  it('logging_steps averages the loss since the last row; logging_first_step adds step 1', async () => {
    const every = await tinyTrainer({ max_steps: 6 })
    await every.train()
    const losses = steps(every).map((row) => row['loss']!)
    const thirds = await tinyTrainer({ max_steps: 6, logging_steps: 3 })
    await thirds.train()
    expect(steps(thirds).map((row) => row['step'])).toEqual([3, 6])
    steps(thirds).forEach((row, i) => {
      expect(Math.abs(row['loss']! - mean(losses.slice(3 * i, 3 * i + 3)))).toBeLessThanOrEqual(1e-12)
      expect(row['grad_norm']).toBe(steps(every)[3 * i + 2]!['grad_norm'])
    })
    const first = await tinyTrainer({ max_steps: 6, logging_steps: 3, logging_first_step: true })
    await first.train()
    expect(steps(first).map((row) => row['step'])).toEqual([1, 3, 6])
    expect(Math.abs(steps(first)[1]!['loss']! - mean(losses.slice(1, 3)))).toBeLessThanOrEqual(1e-12)
  })

  it.each([
    [{ logging_strategy: 'no' }, []],
    [{ logging_strategy: 'epoch', max_steps: -1, num_train_epochs: 2 }, [4, 8]],
    [{ logging_steps: 0.5, max_steps: 8 }, [4, 8]],
  ] as [SFTInit, number[]][])('%j', async (args, expected) => {
    const trainer = await tinyTrainer(args)
    await trainer.train()
    expect(steps(trainer).map((row) => row['step'])).toEqual(expected)
    expect(trainer.state.log_history.length).toBe(expected.length === 0 ? 0 : expected.length + 1)
  })
})

describe('number of steps, as transformers counts them', () => {
  // 10 rows, batch 2: 5 microbatches an epoch; the last window of an epoch is short.
  it.each([
    [{ num_train_epochs: 2, gradient_accumulation_steps: 2 }, 6, 2, [0.4, 0.8, 1, 1.4, 1.8, 2]],
    [{ num_train_epochs: 1.5, gradient_accumulation_steps: 2 }, 5, 2, [0.4, 0.8, 1, 1.4, 1.8]],
    [{ num_train_epochs: 1, gradient_accumulation_steps: 8 }, 1, 1, [1]],
    [{ num_train_epochs: 0.4 }, 2, 1, [0.2, 0.4]],
    [{ max_steps: 7, num_train_epochs: 1 }, 7, 2, [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4]],
    [{ num_train_epochs: 1, dataloader_drop_last: true, per_device_train_batch_size: 4 }, 2, 1, [0.5, 1]],
  ] as [SFTInit, number, number, number[]][])('%j: %i steps', async (args, expected, epochs, positions) => {
    const trainer = await tinyTrainer({ max_steps: -1, ...args }, { train_dataset: texts(10) })
    const output = await trainer.train()
    expect(output.global_step).toBe(expected)
    expect(trainer.state).toMatchObject({
      max_steps: expected,
      num_train_epochs: epochs,
      global_step: expected,
    })
    const seen = steps(trainer).map((row) => row['epoch']!)
    expect(seen.length).toBe(positions.length)
    seen.forEach((epoch, i) => expect(Math.abs(epoch - positions[i]!)).toBeLessThanOrEqual(1e-12))
  })

  it('a step over four rows, or four microbatches of one, is the same step', async () => {
    const run = async (args: SFTInit): Promise<SFTTrainer> => {
      const trainer = await tinyTrainer({ train_sampling_strategy: 'sequential', max_steps: 2, ...args })
      await trainer.train()
      return trainer
    }
    const whole = steps(await run({ per_device_train_batch_size: 4 }))
    const parts = steps(await run({ per_device_train_batch_size: 1, gradient_accumulation_steps: 4 }))
    whole.forEach((row, i) => {
      for (const key of ['loss', 'grad_norm', 'entropy', 'mean_token_accuracy'])
        expect(Math.abs(row[key]! - parts[i]![key]!), key).toBeLessThanOrEqual(2e-6)
      expect(parts[i]!['num_tokens']).toBe(row['num_tokens'])
    })
  })
})

it('every step begins with gradients of zero', async () => {
  const trainer = await tinyTrainer({ learning_rate: 0 }, { train_dataset: texts(2) })
  await trainer.train()
  const norms = steps(trainer).map((row) => row['grad_norm']!)
  expect(norms.length).toBe(4)
  for (const norm of norms) expect(Math.abs(norm / norms[0]! - 1)).toBeLessThanOrEqual(1e-5)
})

describe('order of rows', () => {
  it('group_by_length puts rows of like length into one batch', async () => {
    const variance = async (args: SFTInit): Promise<number> => {
      const trainer = await tinyTrainer({ max_steps: 20, ...args }, { train_dataset: texts(40) })
      await trainer.train()
      const seen = steps(trainer).map((row) => row['num_tokens']!)
      const sizes = seen.map((n, i) => n - (seen[i - 1] ?? 0))
      return mean(sizes.map((n) => (n - mean(sizes)) ** 2))
    }
    expect(await variance({ group_by_length: true })).toBeGreaterThan(1.3 * (await variance({})))
  })

  it('depends on seed and data_seed, and differs from epoch to epoch', async () => {
    const losses = async (args: SFTInit): Promise<number[]> => {
      const trainer = await tinyTrainer({ max_steps: 8, learning_rate: 0, ...args })
      await trainer.train()
      return steps(trainer).map((row) => row['loss']!)
    }
    const first = await losses({})
    expect(await losses({})).toEqual(first)
    expect(await losses({ data_seed: 1 })).not.toEqual(first)
    expect(first.slice(4)).not.toEqual(first.slice(0, 4))
  })
})

describe('evaluation', () => {
  it.each([
    [{ eval_strategy: 'steps', eval_steps: 2 }, [2, 4]],
    [{ eval_strategy: 'steps', eval_steps: 1, eval_delay: 3 }, [3, 4]],
    [{ eval_strategy: 'epoch', max_steps: -1, num_train_epochs: 2 }, [4, 8]],
    [{ eval_strategy: 'epoch', max_steps: -1, num_train_epochs: 2, eval_delay: 2 }, [8]],
    [{ eval_strategy: 'steps', eval_steps: 4, eval_on_start: true }, [0, 4]],
  ] as [SFTInit, number[]][])('%j', async (args, expected) => {
    const told: LogRow[] = []
    const callbacks: TrainerCallback[] = [{ on_evaluate: (_, __, ___, metrics) => void told.push(metrics) }]
    const trainer = await tinyTrainer(args, { eval_dataset: texts(3), callbacks })
    await trainer.train()
    const rows = trainer.state.log_history.filter((row) => 'eval_loss' in row)
    expect(rows.map((row) => row['step'])).toEqual(expected)
    expect(told.map((row) => row['eval_loss'])).toEqual(rows.map((row) => row['eval_loss']))
  })

  it('lowers the rate of reduce_lr_on_plateau', async () => {
    const trainer = await tinyTrainer(
      {
        eval_strategy: 'steps',
        eval_steps: 1,
        lr_scheduler_type: 'reduce_lr_on_plateau',
        lr_scheduler_kwargs: { patience: 0, factor: 0.5, threshold: 1000, threshold_mode: 'abs' },
      },
      { eval_dataset: texts(3) },
    )
    await trainer.train()
    expect(steps(trainer).map((row) => row['learning_rate'])).toEqual([1e-3, 1e-3, 5e-4, 2.5e-4])
  })
})
