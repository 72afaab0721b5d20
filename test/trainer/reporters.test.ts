import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { logging } from '../../src/logging'
import { temporaryFolder } from '../files/support/temporary'
import { texts, tinyTrainer } from './tiny'
import { readEvents } from './logs/read-events'

it('csv: a line a row of the log', async () => {
  const trainer = await tinyTrainer(
    { report_to: 'csv', max_steps: 2, eval_strategy: 'epoch' },
    { eval_dataset: texts(2) },
  )
  await trainer.train()
  const lines = (await readFile(join(trainer.args.output_dir, 'log.csv'), 'utf8')).trimEnd().split('\n')
  const columns = lines[0]!.split(',')
  expect(columns.slice(0, 6)).toEqual([
    'step',
    'epoch',
    'loss',
    'grad_norm',
    'learning_rate',
    'tokens_per_second',
  ])
  expect(columns).toEqual(expect.arrayContaining(['eval_loss', 'train_loss']))
  const rows = lines.slice(1).map((line) => line.split(','))
  expect(rows.length).toBe(trainer.state.log_history.length)
  const loss = columns.indexOf('loss')
  expect(rows.slice(0, 2).map((row) => Number(row[loss]))).toEqual(
    trainer.state.log_history.slice(0, 2).map((row) => row['loss']),
  )
})

it('tensorboard: an event file with the arguments, the config and every figure', async () => {
  const logging_dir = await temporaryFolder()
  const trainer = await tinyTrainer({
    report_to: ['tensorboard'],
    logging_dir,
    max_steps: 2,
    run_name: 'my run',
  })
  await trainer.train()
  const files = await readdir(logging_dir)
  expect(files.length).toBe(1)
  const events = readEvents(join(logging_dir, files[0]!))
  const losses = events.filter((e) => e.tag === 'train/loss')
  expect(losses.map((e) => e.step)).toEqual([1, 2])
  expect(losses.map((e) => e.value)).toEqual(
    trainer.state.log_history.slice(0, 2).map((row) => Math.fround(row['loss']!)),
  )
  expect(events.find((e) => e.tag === 'args/text_summary')!.text).toContain('"run_name": "my run"')
  expect(events.find((e) => e.tag === 'model_config/text_summary')!.text).toContain('"hidden_size": 64')
  expect(events.some((e) => e.tag === 'train/train_loss')).toBe(true)
})

it('trainer_state.json is written in any case, event files and csv only when asked for', async () => {
  const trainer = await tinyTrainer({ max_steps: 1 })
  await trainer.train()
  expect(await readdir(trainer.args.output_dir)).toEqual(['trainer_state.json'])
  const state = JSON.parse(
    await readFile(join(trainer.args.output_dir, 'trainer_state.json'), 'utf8'),
  ) as object
  expect(state).toEqual(trainer.state)
})

it('the display hears start, steps, rows without the summary, and the summary at the end', async () => {
  const heard: unknown[] = []
  const trainer = await tinyTrainer(
    { max_steps: 2, logging_steps: 2 },
    {
      display: {
        start: (info) => heard.push(info),
        step: (step) => heard.push(step),
        log: (row) => heard.push(Object.keys(row)[0]),
        end: (summary) => heard.push(typeof summary?.['train_loss']),
      },
    },
  )
  await trainer.train()
  expect(heard).toEqual([{ max_steps: 2 }, 1, 2, 'loss', 'number'])
})

it.each([
  ['disable_tqdm false', false, true, true],
  ['disable_tqdm true', true, true, false],
  ['disable_tqdm null after logging.disable_progress_bar()', null, false, false],
])(
  '%s: rows are printed as lines either way, with or without a bar',
  async (_, disable_tqdm, enabled, bar) => {
    const written = { out: '', err: '' }
    const catching = (stream: NodeJS.WriteStream, key: 'out' | 'err'): { mockRestore(): void } =>
      vi.spyOn(stream, 'write').mockImplementation((text) => ((written[key] += String(text)), true))
    if (!enabled) logging.disable_progress_bar()
    onTestFinished(() => logging.enable_progress_bar())
    const trainer = await tinyTrainer({ max_steps: 2, disable_tqdm }, { display: undefined as never })
    const spies = [catching(process.stdout, 'out'), catching(process.stderr, 'err')]
    await trainer.train().finally(() => spies.forEach((spy) => spy.mockRestore()))
    expect(written.out.split('\n').filter((line) => line.startsWith("{'loss': ")).length).toBe(2)
    expect(written.out).toContain("'train_loss': ")
    expect(written.err.includes('Training: step 2 of 2')).toBe(bar)
  },
)
