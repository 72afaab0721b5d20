import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TrainerCallback } from '../../src/trainer/callbacks'
import { silent, texts, tinyTrainer } from './tiny'

/** Writes down what it is told as `<event> <step>`. */
function recorder(name: string, events: string[]): TrainerCallback {
  const note = (event: string, step: number): void => void events.push(`${name} ${event} ${step}`)
  return {
    on_train_begin: (_, state) => note(`begin/${state.max_steps}`, state.global_step),
    on_step_end: (_, state) => note('step', state.global_step),
    on_log: (_, state, __, logs) =>
      note('loss' in logs ? 'log' : 'eval_loss' in logs ? 'log-eval' : 'log-end', state.global_step),
    on_evaluate: (_, state) => note('evaluate', state.global_step),
    on_save: (_, state, __, folder) => note(`save ${folder.split('/').at(-1)}`, state.global_step),
    on_train_end: (_, state, __, finished) => note(`end ${finished}`, state.global_step),
  }
}

it('are told everything in order, each event to the first and then to the next', async () => {
  const events: string[] = []
  const trainer = await tinyTrainer(
    {
      max_steps: 2,
      logging_steps: 1,
      eval_strategy: 'steps',
      eval_steps: 2,
      save_strategy: 'steps',
      save_steps: 2,
    },
    { eval_dataset: texts(2), callbacks: [recorder('a', events), recorder('b', events)] },
  )
  await trainer.train()
  expect(events.filter((e) => e.startsWith('a')).map((e) => e.slice(2))).toEqual([
    ...['begin/2 0', 'step 1', 'log 1', 'step 2', 'log 2', 'log-eval 2', 'evaluate 2'],
    ...['save checkpoint-2 2', 'log-end 2', 'end true 2'],
  ])
  const pairs = Array.from({ length: events.length / 2 }, (_, i) => events.slice(2 * i, 2 * i + 2))
  for (const [a, b] of pairs) expect(b).toBe(a!.replace(/^a/, 'b'))
})

it('are waited for, and can stop the run', async () => {
  let slept = 0
  const trainer = await tinyTrainer(
    { max_steps: 10 },
    {
      callbacks: [
        {
          on_step_end: async (_, state, control) => {
            await new Promise((resolve) => setTimeout(resolve, 2))
            slept = state.global_step
            if (state.global_step === 3) control.should_training_stop = true
          },
          on_log: (_, state) => expect(slept).toBe(state.global_step),
        },
      ],
    },
  )
  expect(await trainer.train()).toMatchObject({ global_step: 3, stopped: true })
  expect(await trainer.train()).toMatchObject({ global_step: 3, stopped: true })
})

describe('when something fails', () => {
  const boom = (): never => {
    throw new Error('boom')
  }

  it('everybody hears the end, and the failure of the run is the one thrown', async () => {
    const events: string[] = []
    const ends: unknown[] = []
    const failing: TrainerCallback = {
      on_step_end: (_, state) => void (state.global_step === 2 && boom()),
      on_train_end: () => {
        throw new Error('another')
      },
    }
    const trainer = await tinyTrainer(
      { report_to: ['csv', 'tensorboard'] },
      {
        callbacks: [failing, recorder('a', events)],
        display: { ...silent, end: (summary) => void ends.push(summary) },
      },
    )
    await expect(trainer.train()).rejects.toThrow('boom')
    expect(events.at(-1)).toBe('a end false 2')
    expect(ends).toEqual([undefined])
    const { output_dir } = trainer.args
    const state = JSON.parse(await readFile(join(output_dir, 'trainer_state.json'), 'utf8')) as {
      log_history: unknown[]
    }
    expect(state.log_history).toEqual(trainer.state.log_history)
    expect(existsSync(join(output_dir, 'log.csv'))).toBe(true)
    expect(trainer.model.parameters().filter((p) => p.grad)).toEqual([])
  })

  it('a failure at the end alone is thrown, after everybody heard it', async () => {
    const events: string[] = []
    const trainer = await tinyTrainer(
      { max_steps: 1 },
      { callbacks: [{ on_train_end: boom }, recorder('a', events)] },
    )
    await expect(trainer.train()).rejects.toThrow('boom')
    expect(events.at(-1)).toBe('a end true 1')
  })

  it('the trainer can train again', async () => {
    let fail = true
    const trainer = await tinyTrainer({}, { callbacks: [{ on_step_end: () => void (fail && boom()) }] })
    await expect(trainer.train()).rejects.toThrow('boom')
    fail = false
    expect(await trainer.train()).toMatchObject({ global_step: 4, stopped: false })
    expect(trainer.state.log_history.length).toBe(5)
  })
})
