import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { logger } from '../../src/logging'
import type { LossFunction, Objective } from '../../src/models/objective'
import type { SFTInit } from '../../src/trainer/arguments'
import { LoraConfig } from '../../src/peft/config'
import { adapterBytes, dropping, figures, long, stoppable } from './stoppable'
import { texts, tinyTrainer } from './tiny'

describe('resume_from_checkpoint', () => {
  const saving: SFTInit = { save_strategy: 'steps', save_steps: 3 }

  it.each([
    ['a run with accumulation and dropout', saving, 3],
    [
      'a run logged once in 2 steps, from the middle of an epoch',
      { ...saving, save_steps: 1, logging_steps: 2 },
      5,
    ],
    [
      'a run logged, evaluated and saved by epoch',
      { logging_strategy: 'epoch', eval_strategy: 'epoch', save_strategy: 'epoch' },
      6,
    ],
    [
      'a schedule that follows the evaluation',
      {
        ...saving,
        eval_strategy: 'steps',
        eval_steps: 1,
        lr_scheduler_type: 'reduce_lr_on_plateau',
        lr_scheduler_kwargs: { patience: 0, factor: 0.5, threshold: 1000, threshold_mode: 'abs' },
      },
      3,
    ],
    ['an adapter in bfloat16', { ...saving, bf16: true }, 6],
  ] as [string, SFTInit, number][])(
    'goes on, in a new trainer, with the bits of %s',
    async (_, args, step) => {
      const whole = await stoppable(args)
      await whole.train()
      const folder = join(whole.trainer.args.output_dir, `checkpoint-${step}`)
      const other = await stoppable(args)
      const output = await other.trainer.train({ resume_from_checkpoint: folder })
      expect(output).toMatchObject({ global_step: 8, stopped: false })
      expect(figures(other.trainer)).toEqual(figures(whole.trainer))
      expect(await adapterBytes(other.trainer)).toEqual(await adapterBytes(whole.trainer))
      expect(output.metrics['train_runtime']).toBeGreaterThan(0)
    },
  )

  it.each(['adamw_bnb_8bit', 'lion_32bit', 'sgd'] as const)('takes up the state of %s', async (optim) => {
    // Tensors of at least 4096 elements, or the 8-bit optimizer keeps float32 too.
    const options = { peft_config: new LoraConfig({ r: 64, target_modules: ['q_proj'] }) }
    const args: SFTInit = { ...saving, optim, ...(optim === 'sgd' && { optim_args: 'momentum=0.9' }) }
    const whole = await stoppable(args, [], options)
    await whole.train()
    const other = await stoppable(args, [], options)
    const folder = join(whole.trainer.args.output_dir, 'checkpoint-3')
    await other.trainer.train({ resume_from_checkpoint: folder })
    expect(await adapterBytes(other.trainer)).toEqual(await adapterBytes(whole.trainer))
  })

  it('true is the last checkpoint of output_dir', async () => {
    const first = await stoppable({ ...saving, max_steps: 7 }, [7])
    await first.train()
    const { output_dir } = first.trainer.args
    const second = await tinyTrainer(
      { ...long, ...saving, max_steps: 9, output_dir },
      { train_dataset: texts(10), peft_config: dropping() },
    )
    await second.train({ resume_from_checkpoint: true })
    const rows = second.state.log_history.filter((row) => 'loss' in row)
    expect(rows.map((row) => row['step'])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it.each([
    ['no checkpoint', true, {}, 'no checkpoint-<step> folder in '],
    ['a folder that is none', '/nowhere', {}, '/nowhere has no trainer_state.json'],
    [
      'another batch size',
      undefined,
      { per_device_train_batch_size: 1 },
      "per_device_train_batch_size is 1; the checkpoint's run had 2",
    ],
    [
      'another optimizer',
      undefined,
      { optim: 'adamw_torch' },
      "optim is adamw_torch; the checkpoint's run had adamw_torch_fused",
    ],
  ] as [string, string | true | undefined, SFTInit, string][])(
    'refuses %s',
    async (_, from, args, message) => {
      const { trainer, train } = await stoppable({ ...saving, max_steps: 3 })
      if (from === undefined) await train()
      const other = await stoppable({ max_steps: 5, ...args })
      const resume_from_checkpoint = from ?? join(trainer.args.output_dir, 'checkpoint-3')
      await expect(other.trainer.train({ resume_from_checkpoint })).rejects.toThrow(message)
      expect(other.trainer.state.global_step).toBe(0)
    },
  )

  it('refuses a checkpoint of the model only, and other data', async () => {
    const only = await stoppable({ ...saving, save_only_model: true, max_steps: 3 })
    await only.train()
    const folder = join(only.trainer.args.output_dir, 'checkpoint-3')
    expect(await readdir(folder)).not.toContain('optimizer.safetensors')
    await expect(only.trainer.train({ resume_from_checkpoint: folder })).rejects.toThrow(
      'has no optimizer.safetensors; a checkpoint of this library has it unless save_only_model was set',
    )
    const { trainer, train } = await stoppable({ ...saving, max_steps: 3 })
    await train()
    const other = await stoppable({}, [], { train_dataset: texts(12) })
    await expect(
      other.trainer.train({ resume_from_checkpoint: join(trainer.args.output_dir, 'checkpoint-3') }),
    ).rejects.toThrow(
      "the tokenized rows of train_dataset are not those of the checkpoint's run (12 rows now, 10 then)",
    )
  })

  const own: LossFunction = (logps, { num_items_in_batch: n }) => ({
    loss: -logps.reduce((a, b) => a + b, 0) / n,
    dlogps: logps.map(() => -1 / n),
  })
  const renamed: LossFunction = (logps, batch) => own(logps, batch)
  const functions = 'objective is a function, which cannot be compared: '
  it.each<[string, [SFTInit, Objective?], [SFTInit, Objective?], string | undefined, string?]>([
    ['nll to chunked_nll', [{ loss_type: 'nll' }], [{ loss_type: 'chunked_nll' }], undefined],
    ['chunked_nll to dft', [{}], [{ loss_type: 'dft' }], "loss_type is dft; the checkpoint's run had nll"],
    [
      'other smoothing',
      [{ label_smoothing_factor: 0.1 }],
      [{ label_smoothing_factor: 0.2 }],
      "label_smoothing_factor is 0.2; the checkpoint's run had 0.1",
    ],
    ['an option to the same objective', [{ loss_type: 'dft' }], [{}, { loss_type: 'dft' }], undefined],
    ['nll to a function', [{}], [{}, own], "objective is own; the checkpoint's run had not set"],
    ['a function to nll', [{}, own], [{}], "objective is not set; the checkpoint's run had own"],
    ['a function to itself', [{}, own], [{}, own], undefined, `${functions}own now, own in`],
    ['a function to another', [{}, own], [{}, { loss: renamed }], undefined, `${functions}renamed now, own`],
  ])('the loss from %s', async (_, [args, objective], [otherArgs, otherObjective], refused, warned) => {
    const { trainer, train } = await stoppable({ ...saving, ...args, max_steps: 3 }, [], {
      ...(objective && { objective }),
    })
    await train()
    const other = await stoppable({ max_steps: 4, ...otherArgs }, [], {
      ...(otherObjective && { objective: otherObjective }),
    })
    const warning = vi.spyOn(logger, 'warning').mockImplementation(() => {})
    onTestFinished(() => warning.mockRestore())
    const resume_from_checkpoint = join(trainer.args.output_dir, 'checkpoint-3')
    const resumed = other.trainer.train({ resume_from_checkpoint })
    if (refused) await expect(resumed).rejects.toThrow(refused)
    else expect((await resumed).global_step).toBe(4)
    const told = warning.mock.calls.map(([text]) => text).filter((text) => text.includes('is a function'))
    expect(told.length).toBe(warned ? 1 : 0)
    if (warned) expect(told[0]).toContain(warned)
  })
})
