import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { logger } from '../../src/logging'
import { openCheckpoint } from '../../src/trainer/resume'
import type { RunSettings } from '../../src/trainer/run-settings'
import { temporaryFolder } from '../files/support/temporary'
import { figures } from './stoppable'
import { tinyTrainer } from './tiny'

/** JSON as text, so that NaN and 1e999 can be put in. */
type Change = [file: string, key: string, value: string | undefined]

const impossible = ['-1', '0.5', '1e9', '"2"', 'null', 'NaN', '1e999', '[]', undefined]
const counts = ['epoch', 'seen', 'microstep', 'skipped', 'skippedInRow'].map((key) => `progress.${key}`)
const sums = ['steps', 'correct', 'targets', 'tokens'].map((key) => `progress.metrics.${key}`)
const bad: Change[] = [
  ...['global_step'].flatMap((key) => impossible.map((value): Change => ['trainer_state.json', key, value])),
  ...[...counts, 'optimizer_steps', 'batches_per_epoch', 'progress.metrics.steps'].flatMap((key) =>
    impossible.map((value): Change => ['run_state.json', key, value]),
  ),
  ...sums.flatMap((key) =>
    ['-1', '0.5', '"2"', 'null', undefined].map((value): Change => ['run_state.json', key, value]),
  ),
  ...['epoch', 'max_steps', 'num_input_tokens_seen'].flatMap((key) =>
    ['-1', '"x"', 'null', 'NaN', undefined].map((value): Change => ['trainer_state.json', key, value]),
  ),
  ...['"abc"', 'null', '[null]', '[{}]', '[{"step": 99}]', '[{"step": -1}]', undefined].map(
    (value): Change => ['trainer_state.json', 'log_history', value],
  ),
  ...['"x"', '["explode"]', '["save", "log"]', 'null', undefined].map((value): Change => [
    'run_state.json',
    'progress.due',
    value,
  ]),
  ...[
    'progress',
    'progress.metrics',
    'settings',
    'settings.args',
    'settings.data',
    'files',
    'run_id',
  ].flatMap((key) => ['null', '7', undefined].map((value): Change => ['run_state.json', key, value])),
  ...['progress.seconds', 'progress.metrics.seconds', 'progress.totalLoss'].flatMap((key) =>
    ['"x"', 'null', undefined].map((value): Change => ['run_state.json', key, value]),
  ),
]

/** `text` with the value at `key` (dots between) put or, without one, left out. */
function changed(text: string, key: string, value: string | undefined): string {
  const root = JSON.parse(text) as Record<string, unknown>
  const path = key.split('.')
  const last = path.pop()!
  const object = path.reduce<Record<string, unknown>>((at, name) => at[name] as Record<string, unknown>, root)
  if (value === undefined) delete object[last]
  else object[last] = '@value@'
  return JSON.stringify(root).replace('"@value@"', value ?? '')
}

async function checkpoint(): Promise<{ folder: string; output_dir: string; settings: RunSettings }> {
  const trainer = await tinyTrainer({ max_steps: 2, save_strategy: 'steps', save_steps: 1 })
  await trainer.train()
  const { output_dir } = trainer.args
  const folder = join(output_dir, 'checkpoint-2')
  const { settings } = JSON.parse(await readFile(join(folder, 'run_state.json'), 'utf8')) as {
    settings: RunSettings
  }
  return { folder, output_dir, settings }
}

const refusal = (folder: string, settings: RunSettings): Promise<string> =>
  openCheckpoint(folder, settings).then(
    () => 'taken',
    (error: unknown) => (error as Error).message,
  )

it('a figure that cannot be is refused by file and key', async () => {
  const { folder, settings } = await checkpoint()
  expect(await refusal(folder, settings)).toBe('taken')
  for (const [name, key, value] of bad) {
    const file = join(folder, name)
    const text = await readFile(file, 'utf8')
    await writeFile(file, changed(text, key, value))
    const message = await refusal(folder, settings)
    expect(message, `${name} ${key} ${value}`).toMatch(
      new RegExp(`${folder}/(trainer_state|run_state)[.]json`),
    )
    expect(message, `${name} ${key} ${value}`).not.toMatch(
      /Cannot (read|set|destructure)|is not (iterable|a function)/,
    )
    if (['-1', '"2"', 'null', undefined].includes(value) && !key.startsWith('settings'))
      expect(message, `${value}`).toContain(`${name}: ${key}`)
    await writeFile(file, text)
  }
  expect(await refusal(folder, settings)).toBe('taken')
})

it('a finite figure changed by hand is refused by the checksum', async () => {
  const { folder, settings } = await checkpoint()
  const file = join(folder, 'run_state.json')
  await writeFile(file, changed(await readFile(file, 'utf8'), 'progress.totalLoss', '1.5'))
  expect(await refusal(folder, settings)).toContain(
    `${file}: checksum: the file was changed after it was saved`,
  )
})

it.each(['adapter_model.safetensors', 'optimizer.safetensors'])(
  'NaN, an infinity, zeros or a cut in %s are refused by file, and an older checkpoint is taken',
  async (name) => {
    const { folder, output_dir, settings } = await checkpoint()
    const file = join(folder, name)
    const bytes = await readFile(file)
    const start = 8 + Number(bytes.readBigUInt64LE())
    const put = (word: number): Buffer => {
      const copy = Buffer.from(bytes)
      copy.writeUInt32LE(word, start + 4 * 3)
      return copy
    }
    for (const word of [0x7fc00000, 0x7f800000, 0xff800000]) {
      await writeFile(file, put(word))
      expect(await refusal(folder, settings)).toMatch(
        new RegExp(`${file}: '.+' holds NaN or an infinity; expected finite numbers`),
      )
    }
    for (const other of [put(1), bytes.subarray(0, bytes.length >> 1), Buffer.alloc(bytes.length)]) {
      await writeFile(file, other)
      expect(await refusal(folder, settings)).toContain(file)
    }
    const warn = vi.spyOn(logger, 'warning').mockImplementation(() => undefined)
    onTestFinished(() => warn.mockRestore())
    const kept = await temporaryFolder()
    await cp(output_dir, kept, { recursive: true })
    const trainer = await tinyTrainer({ max_steps: 2, output_dir: kept })
    await trainer.train({ resume_from_checkpoint: true })
    expect(figures(trainer).map(({ step }) => step)).toEqual([1, 2, 2])
    expect(warn.mock.calls.flat().join()).toContain(
      `resume_from_checkpoint passes over ${join(kept, 'checkpoint-2')}: ${join(kept, 'checkpoint-2', name)}`,
    )
  },
)
