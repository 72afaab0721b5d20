import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { main as fsdpQlora } from '../../examples/run-fsdp-qlora'
import { temporaryFolder } from '../files/support/temporary'
import { tinyFolder } from './tiny-folder'

// Published scripts, ported line by line (examples/), on a tiny model and tiny data.

it('run_fsdp_qlora.py: a YAML file, conversations, packing, an adapter saved', async () => {
  vi.spyOn(console, 'log').mockImplementation(() => undefined)
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const folder = await temporaryFolder()
  const rows = Array.from({ length: 6 }, (_, i) => ({
    messages: [
      { role: 'user', content: `hello ${i}` },
      { role: 'assistant', content: 'world' },
    ],
  }))
  for (const name of ['train_dataset.json', 'test_dataset.json'])
    await writeFile(join(folder, name), rows.map((row) => JSON.stringify(row)).join('\n'))
  const config = [
    `model_id: ${await tinyFolder()}`,
    `dataset_path: ${folder}`,
    'max_seq_len: 64',
    `output_dir: ${join(folder, 'out')}`,
    ...['max_steps: 2', 'logging_steps: 1', 'eval_strategy: epoch', 'bf16: true', 'tf32: true'],
    ...['gradient_checkpointing: true', 'optim: adamw_torch', 'report_to: none', 'disable_tqdm: true'],
  ]
  await writeFile(join(folder, 'config.yaml'), config.join('\n'))
  const trainer = await fsdpQlora(['--config', join(folder, 'config.yaml'), '--learning_rate', '2e-4'])
  onTestFinished(() => trainer.dispose())
  expect(trainer.state.global_step).toBe(2)
  expect(trainer.args).toMatchObject({ learning_rate: 2e-4, packing: true, max_length: 64 })
  expect(trainer.state.log_history.some((row) => 'eval_loss' in row)).toBe(true)
  expect(existsSync(join(folder, 'out', 'adapter_model.safetensors'))).toBe(true)
})

it('run_fsdp_qlora.py: 26 statements, of which one needed more than syntax', async () => {
  const text = await readFile(resolve(__dirname, '../../examples/run-fsdp-qlora.ts'), 'utf8')
  const numbers = [...text.matchAll(/^ *\/\/ ((?:\d+(?:, )?)+)\./gm)].flatMap(([, list]) => list!.split(', '))
  expect(numbers.map(Number)).toEqual(Array.from({ length: 26 }, (_, i) => i + 1))
  expect([...text.matchAll(/^ *\/\/ \d+\. more than syntax: \w/gm)].length).toBe(1)
})
