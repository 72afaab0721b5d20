import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { PeftModel } from '../../src/peft/model'
import { fill } from '../../src/tensor/ops'
import type { SFTInit } from '../../src/trainer/arguments'
import { limitDisk } from '../files/support/disk-full'
import { tinyModel } from '../models/tiny'
import { texts, tinyTrainer } from './tiny'

async function checkpoints(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('checkpoint-')).sort()
}

it.each([
  [{ save_strategy: 'steps', save_steps: 0 }, [5]],
  [{ save_strategy: 'steps', save_steps: 2 }, [2, 4, 5]],
  [{ save_strategy: 'steps', save_steps: 1, save_total_limit: 2 }, [4, 5]],
  [{ save_strategy: 'epoch', max_steps: -1, num_train_epochs: 2 }, [4, 8]],
  [{ save_strategy: 'no' }, []],
] as [SFTInit, number[]][])('%j', async (args, steps) => {
  const saved: string[] = []
  const trainer = await tinyTrainer(
    { max_steps: 5, ...args },
    { callbacks: [{ on_save: (_, __, ___, folder) => void saved.push(folder) }] },
  )
  await trainer.train()
  const { output_dir } = trainer.args
  expect(await checkpoints(output_dir)).toEqual(steps.map((n) => `checkpoint-${n}`))
  if (steps.length > 0) expect(saved.at(-1)).toBe(join(output_dir, `checkpoint-${steps.at(-1)}`))
})

it('a checkpoint holds adapter, tokenizer and the state of its step', async () => {
  const trainer = await tinyTrainer({ max_steps: 4, save_strategy: 'steps', save_steps: 2 })
  await trainer.train()
  const folder = join(trainer.args.output_dir, 'checkpoint-2')
  expect((await readdir(folder)).sort()).toEqual([
    ...['README.md', 'adapter_config.json', 'adapter_model.safetensors', 'chat_template.jinja'],
    ...['optimizer.safetensors', 'run_state.json'],
    ...['tokenizer.json', 'tokenizer_config.json', 'trainer_state.json'],
  ])
  const state = JSON.parse(await readFile(join(folder, 'trainer_state.json'), 'utf8')) as Record<
    string,
    unknown
  >
  expect(state).toMatchObject({ global_step: 2, max_steps: 4, epoch: 0.5, train_batch_size: 2 })
  expect(state['log_history']).toEqual(trainer.state.log_history.slice(0, 2))
  const last = await PeftModel.from_pretrained(
    await tinyModel(),
    join(trainer.args.output_dir, 'checkpoint-4'),
  )
  const earlier = await PeftModel.from_pretrained(await tinyModel(), folder)
  for (const [i, p] of trainer.model.parameters().entries()) {
    const values = await p.data.data()
    expect(await last.parameters()[i]!.data.data()).toEqual(values)
    expect(await earlier.parameters()[i]!.data.data()).not.toEqual(values)
  }
})

it("save_total_limit counts and removes only the run's own, whatever an earlier run left", async () => {
  const trainer = await tinyTrainer({
    max_steps: 2,
    save_strategy: 'steps',
    save_steps: 1,
    save_total_limit: 1,
  })
  const { output_dir } = trainer.args
  for (const step of [100, 200]) await mkdir(join(output_dir, `checkpoint-${step}`), { recursive: true })
  await trainer.train()
  expect(await checkpoints(output_dir)).toEqual(['checkpoint-100', 'checkpoint-2', 'checkpoint-200'])
})

it('save_total_limit counts good checkpoints alone: one whose loss was not finite goes with the next save', async () => {
  const nan = [3, 4, 6]
  const seen: string[][] = []
  const spoil = (_: unknown, { global_step }: { global_step: number }): void =>
    fill(trainer.model.base_model.parts.norm.weight, nan.includes(global_step + 1) ? NaN : 1)
  const on_save = async (): Promise<void> => void seen.push(await checkpoints(trainer.args.output_dir))
  const trainer = await tinyTrainer(
    { max_steps: 7, save_strategy: 'steps', save_steps: 1, save_total_limit: 2, max_nonfinite_steps: 0 },
    { callbacks: [{ on_step_end: spoil, on_save }] },
  )
  await trainer.train()
  const steps = seen.map((names) => names.map((name) => Number(name.slice('checkpoint-'.length))))
  expect(steps).toEqual([[1], [1, 2], [1, 2, 3], [1, 2, 4], [2, 5], [2, 5, 6], [5, 7]])
})

it('save_model writes adapter and tokenizer to output_dir or the folder given', async () => {
  const trainer = await tinyTrainer({ max_steps: 1 })
  const { output_dir } = trainer.args
  await trainer.save_model()
  expect(await readdir(output_dir)).toContain('adapter_model.safetensors')
  await trainer.save_model(join(output_dir, 'elsewhere'))
  expect(await readdir(join(output_dir, 'elsewhere'))).toContain('tokenizer.json')
})

it('a full disk fails the run with the file that was not written, and nothing half-written stays', async () => {
  const trainer = await tinyTrainer(
    { max_steps: 2, save_strategy: 'steps', save_steps: 1 },
    { train_dataset: texts(4) },
  )
  await limitDisk(3000)
  const folder = join(trainer.args.output_dir, 'checkpoint-1')
  await expect(trainer.train()).rejects.toThrow(
    `${join(folder, 'adapter_model.safetensors')}: no space left on the disk`,
  )
  expect(await readdir(trainer.args.output_dir)).toEqual([])
  expect(trainer.state.global_step).toBe(1)
})
