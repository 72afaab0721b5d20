import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { logger } from '../../src/logging'
import { LoraConfig } from '../../src/peft/config'
import type { SFTInit } from '../../src/trainer/options.generated'
import type { DPOInit, KTOInit } from '../../src/trainer/preference/options.generated'
import { openCheckpoint } from '../../src/trainer/resume'
import { differences, onResume, settingsOf, type RunSettings } from '../../src/trainer/run-settings'
import type { SFTTrainerOptions } from '../../src/trainer/sft-trainer'
import { texts, tinyTrainer } from './tiny'

const long: SFTInit = { max_steps: 2, save_strategy: 'steps', save_steps: 1 }

/** What a run of these options is compared by. */
async function settings(args: SFTInit = {}, options: Partial<SFTTrainerOptions> = {}): Promise<RunSettings> {
  const trainer = await tinyTrainer({ ...long, ...args }, options)
  const rows = [{ input_ids: Int32Array.of(1, 2), labels: Int32Array.of(-100, 2) }]
  return settingsOf(trainer.model, trainer.args, { rows, isStream: false }, 2)
}

const refused: SFTInit & DPOInit & KTOInit = {
  adam_beta1: 0.8,
  adam_beta2: 0.99,
  adam_epsilon: 1e-6,
  beta: 0.2,
  bf16: true,
  data_seed: 5,
  dataloader_drop_last: true,
  desirable_weight: 2,
  disable_dropout: false,
  gradient_accumulation_steps: 3,
  label_smoothing: 0.1,
  learning_rate: 2e-3,
  loss_weights: [0.5],
  lr_scheduler_kwargs: { num_cycles: 2 },
  lr_scheduler_type: 'cosine',
  max_grad_norm: 0.5,
  optim: 'adamw_torch',
  optim_args: 'momentum=0.5',
  per_device_train_batch_size: 1,
  seed: 8,
  train_sampling_strategy: 'group_by_length',
  undesirable_weight: 2,
  warmup_steps: 1,
  weight_decay: 0.1,
}

it('every option that is refused when it changed is told by name, with both values', async () => {
  const was = await settings()
  expect(differences(was, await settings())).toEqual({ refused: [], warned: [] })
  const names = Object.entries(onResume).flatMap(([name, policy]) => (policy === 'refused' ? name : []))
  expect(Object.keys(refused).sort()).toEqual(names.sort())
  for (const name of names) {
    const value = refused[name as keyof typeof refused]
    // A value changed in the saved settings alone: not every combination makes a trainer.
    const now: RunSettings = { ...was, args: { ...was.args, [name]: value } }
    const { refused: told, warned } = differences(was, now)
    const shown = typeof value === 'string' ? value : JSON.stringify(value)
    expect(told).toEqual([expect.stringMatching(new RegExp(`^${name} is .*; the checkpoint's run had `))])
    expect(told[0]).toContain(`${name} is ${shown};`)
    expect(warned).toEqual([])
  }
})

it('options that may change the bits are warned of, those that are free are not compared', async () => {
  const was = await settings()
  for (const [name, policy] of Object.entries(onResume)) {
    if (policy === 'free') expect(was.args).not.toHaveProperty([name])
    if (policy !== 'warned') continue
    const told = differences(was, { ...was, args: { ...was.args, [name]: 'other' } })
    expect(told).toEqual({ refused: [], warned: [expect.stringContaining(`${name} is other; `)] })
  }
  const longer = differences(was, { ...was, max_steps: 9 })
  expect(longer).toEqual({
    refused: [],
    warned: [expect.stringContaining("max_steps is 9; the checkpoint's run had 2")],
  })
})

it('an option that counts through the rows is named when they differ, and free when they do not', async () => {
  const was = await settings()
  const now = { ...was, args: { ...was.args, max_length: 7 } }
  expect(differences(was, now)).toEqual({ refused: [], warned: [] })
  const other = { ...now, data: { ...was.data, fingerprint: 'other' } }
  expect(differences(was, other).refused).toEqual([
    "the tokenized rows of train_dataset are not those of the checkpoint's run (max_length is 7; the checkpoint's run had 48)",
  ])
})

it('another adapter or base model is refused by the name of what differs', async () => {
  const was = await settings()
  const peft_config = new LoraConfig({ r: 2, lora_alpha: 4, target_modules: ['q_proj'] })
  const { refused: told } = differences(was, await settings({}, { peft_config }))
  expect(told).toContain("LoraConfig.r is 2; the checkpoint's run had 4")
  expect(told).toContain("LoraConfig.lora_alpha is 4; the checkpoint's run had 8")
  expect(told.some((text) => text.startsWith('LoraConfig.target_modules is '))).toBe(true)
  const model = (values: object): RunSettings => ({ ...was, model: { ...was.model, ...values } })
  expect(differences(was, model({ norm: 1 })).refused).toEqual([
    "the base model's weights are not those of the checkpoint's run",
  ])
  expect(differences(was, model({ dtype: 'bfloat16' })).refused).toEqual([
    "the base model's dtype is bfloat16; the checkpoint's run had float32",
  ])
  expect(differences(was, model({ name_or_path: 'x' })).warned).toHaveLength(1)
})

it.each([
  [{ seed: 3 }, "seed is 3; the checkpoint's run had 42"],
  [{ max_length: 8 }, 'max_length is 8; '],
  [{ train_sampling_strategy: 'group_by_length' }, 'train_sampling_strategy is group_by_length; '],
] as [SFTInit, string][])('train refuses %j and stays before its first step', async (args, message) => {
  const first = await tinyTrainer(long)
  await first.train()
  const { output_dir } = first.args
  const other = await tinyTrainer({ ...long, max_steps: 3, output_dir, ...args })
  await expect(other.train({ resume_from_checkpoint: true })).rejects.toThrow(message)
  expect(other.state.global_step).toBe(0)
})

it('train refuses other rows of the same number', async () => {
  const first = await tinyTrainer(long)
  await first.train()
  const rows = texts(9).select([0, 1, 2, 3, 4, 5, 6, 8])
  const other = await tinyTrainer({ ...long, max_steps: 3 }, { train_dataset: rows })
  const resume_from_checkpoint = join(first.args.output_dir, 'checkpoint-2')
  await expect(other.train({ resume_from_checkpoint })).rejects.toThrow(
    "the tokenized rows of train_dataset are not those of the checkpoint's run (8 rows now, 8 then)",
  )
})

it('a warning of a checkpoint names its folder', async () => {
  const first = await tinyTrainer(long)
  await first.train()
  const folder = join(first.args.output_dir, 'checkpoint-2')
  const warn = vi.spyOn(logger, 'warning').mockImplementation(() => undefined)
  const { settings } = JSON.parse(await readFile(join(folder, 'run_state.json'), 'utf8')) as {
    settings: RunSettings
  }
  const { run } = await openCheckpoint(folder, { ...settings, max_steps: 7 })
  expect(run.settings.max_steps).toBe(2)
  expect(warn.mock.calls.flat().join()).toContain(`${folder}: max_steps is 7; the checkpoint's run had 2`)
  warn.mockRestore()
})
