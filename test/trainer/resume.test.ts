import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import '../../src/generation/mixin'
import type { SFTInit } from '../../src/trainer/arguments'
import type { SFTTrainer } from '../../src/trainer/sft-trainer'
import { readEvents } from './logs/read-events'
import { adapterBytes, figures, stoppable } from './stoppable'
import { silent, texts, tinyTrainer } from './tiny'

describe('a run that was stopped goes on with the bits of one that was not', () => {
  it.each([
    ['in the middle of epochs, with accumulation and dropout', {}, [1, 4, 5]],
    ['after each step', {}, [1, 2, 3, 4, 5, 6, 7]],
    ['logged once in 3 steps', { logging_steps: 3 }, [2, 4]],
    ['logged, evaluated and saved by epoch', epochly(), [2, 3, 6]],
    [
      'with a schedule that follows the evaluation',
      {
        eval_strategy: 'steps',
        eval_steps: 1,
        lr_scheduler_type: 'reduce_lr_on_plateau',
        lr_scheduler_kwargs: { patience: 0, factor: 0.5, threshold: 1000, threshold_mode: 'abs' },
      },
      [2, 5],
    ],
    [
      'with bf16, checkpointing, groups by length',
      { bf16: true, gradient_checkpointing: true, group_by_length: true },
      [3],
    ],
  ] as [string, SFTInit, number[]][])('%s', async (_, args, stops) => {
    const whole = await stoppable(args)
    expect(await whole.train()).toMatchObject({ global_step: 8, stopped: false })

    const parts = await stoppable(args, stops)
    for (const step of stops) {
      expect(await parts.train()).toMatchObject({ global_step: step, stopped: true })
      await adapterBytes(parts.trainer)
    }
    const output = await parts.train()
    expect(output).toMatchObject({ global_step: 8, stopped: false })
    expect(figures(parts.trainer)).toEqual(figures(whole.trainer))
    expect(await adapterBytes(parts.trainer)).toEqual(await adapterBytes(whole.trainer))
    const { log_history: _a, ...one } = parts.trainer.state
    const { log_history: _b, ...other } = whole.trainer.state
    expect(one).toEqual(other)
  })

  function epochly(): SFTInit {
    return { logging_strategy: 'epoch', eval_strategy: 'epoch', save_strategy: 'epoch' }
  }

  it('and what is asked of the model in between changes nothing', async () => {
    const whole = await stoppable()
    await whole.train()
    const parts = await stoppable({}, [4])
    await parts.train()
    await parts.trainer.evaluate()
    await parts.trainer.model.generate({ input_ids: [[5, 6, 7]] }, { max_new_tokens: 3 })
    await parts.train()
    expect(await adapterBytes(parts.trainer)).toEqual(await adapterBytes(whole.trainer))
  })

  it('also when it was stopped in an evaluation, which is then done from its start', async () => {
    const args: SFTInit = {
      eval_strategy: 'steps',
      eval_steps: 2,
      save_strategy: 'steps',
      save_steps: 2,
      per_device_eval_batch_size: 1,
    }
    const whole = await stoppable(args)
    await whole.train()

    const saved: number[] = []
    const parts = await stoppable(args, [2, 8], {
      callbacks: [{ on_save: (_, s) => void saved.push(s.global_step) }],
    })
    expect(await parts.train()).toMatchObject({ global_step: 2, stopped: true })
    expect(figures(parts.trainer).some((row) => 'eval_loss' in row)).toBe(false)
    expect(saved).toEqual([])
    // The last step is done, but not what belongs to it.
    expect(await parts.train()).toMatchObject({ global_step: 8, stopped: true })
    expect(await parts.train()).toMatchObject({ global_step: 8, stopped: false })
    expect(saved).toEqual([2, 4, 6, 8])
    expect(figures(parts.trainer)).toEqual(figures(whole.trainer))
  })
})

describe('the next train()', () => {
  it('begins anew after a run that ended, with the adapter as it is', async () => {
    const { trainer, train } = await stoppable({ max_steps: 3 }, [2])
    await train()
    await train()
    const trained = await adapterBytes(trainer)
    expect(await train()).toMatchObject({ global_step: 2, stopped: true })
    expect(trainer.state.log_history.map((row) => row['step'])).toEqual([1, 2])
    expect(await adapterBytes(trainer)).not.toEqual(trained)
  })

  it('begins anew when asked to', async () => {
    const { trainer, train } = await stoppable({ max_steps: 5 }, [3])
    await train()
    expect(await trainer.train({ resume_from_checkpoint: false, signal: AbortSignal.abort() })).toMatchObject(
      {
        global_step: 0,
        stopped: true,
      },
    )
    expect(trainer.state.log_history).toEqual([])
    expect(await train()).toMatchObject({ global_step: 3 })
  })

  it('begins anew after a callback ended the run, as transformers does', async () => {
    const trainer = await tinyTrainer(
      {},
      {
        callbacks: [
          { on_step_end: (_, s, control) => void (control.should_training_stop = s.global_step === 2) },
        ],
      },
    )
    expect(await trainer.train()).toMatchObject({ global_step: 2, stopped: true })
    expect(trainer.state.log_history.at(-1)).toHaveProperty('train_loss')
    expect(await trainer.train()).toMatchObject({ global_step: 2, stopped: true })
    expect(trainer.state.log_history.map((row) => row['step'])).toEqual([1, 2, 2])
  })

  it('refuses what it does not know', async () => {
    const trainer = await tinyTrainer()
    await expect(trainer.train({ signl: undefined } as never)).rejects.toThrow(
      "[SFTTrainer.train] unknown option 'signl'. Did you mean 'signal'?",
    )
  })

  it('waits for the last step of a run whose cell was given up, and goes on with it', async () => {
    const { trainer, train } = await stoppable({}, [2])
    const first = train()
    await expect(trainer.train()).rejects.toThrow('an earlier train() of this trainer has not ended')
    const controller = new AbortController()
    controller.abort()
    expect(await first).toMatchObject({ global_step: 2, stopped: true })

    const given = new AbortController()
    const second = trainer.train({ signal: given.signal })
    await new Promise((resolve) => setTimeout(resolve, 5))
    given.abort()
    const third = trainer.train()
    expect((await second).stopped).toBe(true)
    expect(await third).toMatchObject({ global_step: 8, stopped: false })
    expect(trainer.state.log_history.filter((row) => 'loss' in row).map((row) => row['step'])).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8,
    ])
  })
})

describe('what reports a run', () => {
  it('goes on: chart and bar from the step of the stop, one CSV, one TensorBoard folder', async () => {
    const started: unknown[] = []
    const { trainer, train } = await stoppable({ report_to: ['csv', 'tensorboard'] }, [3], {
      display: { ...silent, start: (info) => void started.push(structuredClone(info)) },
    })
    await train()
    await train()
    const { log_history } = trainer.state
    expect(started).toEqual([{ max_steps: 8 }, { max_steps: 8, step: 3, history: log_history.slice(0, 3) }])
    const { output_dir } = trainer.args
    const lines = (await readFile(join(output_dir, 'log.csv'), 'utf8')).trimEnd().split('\n')
    expect(lines.slice(1).map((line) => Number(line.split(',')[0]))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 8])
    const [folder, ...more] = await readdir(join(output_dir, 'runs'))
    expect(more).toEqual([])
    const files = await readdir(join(output_dir, 'runs', folder!))
    const steps = files.flatMap((file) =>
      readEvents(join(output_dir, 'runs', folder!, file))
        .filter((event) => event.tag === 'train/loss')
        .map((event) => event.step),
    )
    expect(steps.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('counts only the time of training', async () => {
    const { train } = await stoppable({}, [4])
    const before = performance.now()
    const first = await train()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const second = await train()
    const passed = (performance.now() - before) / 1000
    expect(second.metrics['train_runtime']).toBeGreaterThan(first.metrics['train_runtime']!)
    expect(second.metrics['train_runtime']).toBeLessThanOrEqual(passed - 0.29)
  })
})

describe('an interrupt while evaluating', () => {
  it('ends evaluate between two batches; nobody listens afterwards', async () => {
    const trainer = await tinyTrainer({ per_device_eval_batch_size: 1 }, { eval_dataset: texts(8) })
    const before = process.listenerCount('SIGINT')
    const evaluating = trainer.evaluate()
    const told = expect(evaluating).rejects.toThrow('interrupted')
    await new Promise((resolve) => setTimeout(resolve, 1))
    process.emit('SIGINT')
    await told
    expect(process.listenerCount('SIGINT')).toBe(before)
    await expect(trainer.evaluate(undefined, { signal: AbortSignal.abort() })).rejects.toThrow('aborted')
    expect((await trainer.evaluate())['eval_loss']).toBeGreaterThan(0)
  })

  it.each([
    ['an evaluation', (trainer: SFTTrainer) => trainer.evaluate(undefined, { signal: AbortSignal.abort() })],
    [
      'a cell of our kernel',
      () => Promise.reject(Object.assign(new Error('x'), { name: 'KeyboardInterrupt' })),
    ],
  ])('in a callback that runs %s, it stops the run and loses nothing', async (_, wait) => {
    const whole = await stoppable()
    await whole.train()
    let asked = 0
    const parts = await stoppable({}, [], {
      callbacks: [
        {
          on_step_end: async (_, { global_step }) => {
            if (global_step !== 3 || asked++ > 0) return
            process.emit('SIGINT')
            await wait(parts.trainer)
          },
        },
      ],
    })
    expect(await parts.train()).toMatchObject({ global_step: 3, stopped: true })
    expect(await parts.train()).toMatchObject({ global_step: 8, stopped: false })
    expect(figures(parts.trainer)).toEqual(figures(whole.trainer))
  })
})

describe('status', () => {
  it('tells where training stands, at any moment', async () => {
    const seen: unknown[] = []
    const { trainer, train } = await stoppable({ logging_steps: 100 }, [3], {
      callbacks: [{ on_step_end: () => void seen.push(trainer.status()) }],
    })
    expect(trainer.status()).toMatchObject({
      training: false,
      global_step: 0,
      loss: undefined,
      device: 'cpu',
    })
    await train()
    expect(seen.length).toBe(3)
    expect(seen[1]).toMatchObject({ training: true, global_step: 2, max_steps: 8, epoch: 0.8 })
    const { loss, tokens_per_second, device_memory, host_memory } = trainer.status()
    expect(loss).toBeGreaterThan(4)
    expect(tokens_per_second).toBeGreaterThan(0)
    expect(device_memory.allocated).toBeGreaterThan(0)
    expect(host_memory).toBeGreaterThan(device_memory.allocated)
    expect(trainer.status()).toMatchObject({ training: false, global_step: 3 })
  })
})
