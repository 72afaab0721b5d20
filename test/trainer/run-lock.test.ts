import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { disk } from '../../src/files/disk'
import { logger } from '../../src/logging'
import { temporaryFolder } from '../files/support/temporary'
import { adapterBytes } from './stoppable'
import { tinyTrainer } from './tiny'

it('a second writer is told the process, the machine and the time; afterwards the folder is free', async () => {
  const output_dir = join(await temporaryFolder(), 'run')
  const second = await tinyTrainer({ output_dir, max_steps: 1 })
  let told: unknown
  const first = await tinyTrainer(
    { output_dir, max_steps: 1 },
    { callbacks: [{ on_step_end: async () => void (told = await second.train().catch((e: unknown) => e)) }] },
  )
  const before = new Date().toISOString()
  await first.train()
  const { message } = told as Error
  expect(message).toContain(`output_dir ${output_dir} is in use by another run`)
  const [, pid, host, since] = /process (\d+) on (\S+), since ([^)]+)\)/.exec(message)!
  expect([Number(pid), host]).toEqual([process.pid, hostname()])
  expect(since! >= before && since! <= new Date().toISOString()).toBe(true)
  expect(await readdir(output_dir)).not.toContain('.run.lock')
  expect((await second.train()).global_step).toBe(1)
})

it('the lock of a dead process is taken over', async () => {
  const output_dir = await temporaryFolder()
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  const owner = { host: hostname(), pid: child.pid, started: null, since: new Date().toISOString(), id: 'x' }
  await writeFile(join(output_dir, '.run.lock'), JSON.stringify(owner))
  const trainer = await tinyTrainer({ output_dir, max_steps: 1 })
  expect((await trainer.train()).global_step).toBe(1)
  expect(await readdir(output_dir)).not.toContain('.run.lock')
})

it('a lock of this process that could not be removed is taken over', async () => {
  const output_dir = join(await temporaryFolder(), 'run')
  const trainer = await tinyTrainer({ output_dir, max_steps: 1 })
  const { rm } = disk
  const spy = vi.spyOn(disk, 'rm').mockImplementation(async (path, options) => {
    if (String(path).endsWith('.run.lock')) throw Object.assign(new Error('EIO'), { code: 'EIO' })
    await rm(path, options)
  })
  await trainer.train()
  spy.mockRestore()
  expect(await readdir(output_dir)).toContain('.run.lock')
  await trainer.train()
  expect(await readdir(output_dir)).not.toContain('.run.lock')
})

it('two trainers of one model: the second is refused, the first trains as if it were alone', async () => {
  const alone = await tinyTrainer({ max_steps: 2 })
  await alone.train()
  let told: unknown
  const first = await tinyTrainer(
    { max_steps: 2 },
    {
      callbacks: [{ on_step_end: async () => void (told ??= await second.train().catch((e: unknown) => e)) }],
    },
  )
  const second = await tinyTrainer({ max_steps: 1 }, { model: first.model, peft_config: null })
  await first.train()
  expect(told).toMatchObject({
    message: expect.stringContaining('model: another SFTTrainer trains it right now') as string,
  })
  expect(await adapterBytes(first)).toEqual(await adapterBytes(alone))
  expect(second.state.global_step).toBe(0)
  expect((await second.train()).global_step).toBe(1)
})

it('a new run in the folder of an earlier one is told of its checkpoints', async () => {
  const warn = vi.spyOn(logger, 'warning').mockImplementation(() => undefined)
  const trainer = await tinyTrainer({ max_steps: 1, save_strategy: 'steps', save_steps: 1 })
  const { output_dir } = trainer.args
  for (const step of [3, 12]) await mkdir(join(output_dir, `checkpoint-${step}`))
  await trainer.train()
  const texts = warn.mock.calls.map(([text]) => String(text))
  warn.mockRestore()
  expect(texts).toContainEqual(
    expect.stringMatching(
      /holds 2 checkpoint\(s\) of an earlier run, the last checkpoint-12; .*resume_from_checkpoint: true/,
    ),
  )
})
