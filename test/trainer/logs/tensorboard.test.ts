import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { crc32c } from '../../../src/trainer/logs/record'
import { defaultLoggingDir, rewriteTag, SummaryWriter } from '../../../src/trainer/logs/tensorboard'
import { golden, titled } from '../../support/shared'
import { readEvents } from './read-events'

const python = process.env['QLORA_ORACLE_PYTHON'] ?? resolve(__dirname, '../../../.cache/oracle/bin/python')
const oracle = existsSync(python) && python
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qlora-events-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('SummaryWriter', () => {
  it('writes a version record, scalars and texts that an independent reader decodes', async () => {
    const before = Date.now() / 1000
    const writer = await SummaryWriter.open(join(folder, 'runs', 'a'))
    writer.add_scalar('train/loss', 1.25, 1)
    writer.add_scalar('train/loss', Number.NaN, 2)
    writer.add_scalar('train/loss', -3e-7, 2 ** 40)
    writer.add_text('args', '{"seed": 42, "name": "é漢"}')
    await writer.close()
    const [version, first, nan, late, args] = readEvents(writer.file)
    expect(version).toMatchObject({ fileVersion: 'brain.Event:2', step: 0 })
    expect(first).toMatchObject({ tag: 'train/loss', value: 1.25, step: 1 })
    expect(nan!.value).toBeNaN()
    expect(late).toMatchObject({ value: Math.fround(-3e-7), step: 2 ** 40 })
    expect(args).toMatchObject({
      tag: 'args/text_summary',
      text: '{"seed": 42, "name": "é漢"}',
      plugin: 'text',
    })
    expect(first!.wallTime).toBeGreaterThanOrEqual(before)
    expect(first!.wallTime).toBeLessThanOrEqual(Date.now() / 1000)
  })

  it('names the file as TensorBoard expects, a new one each time', async () => {
    const a = await SummaryWriter.open(folder)
    const b = await SummaryWriter.open(folder)
    const parts = /^events\.out\.tfevents\.(\d{10})\.(.+)\.(\d+)\.(\d+)$/.exec(basename(a.file))
    expect(parts?.slice(2, 4)).toEqual([hostname(), String(process.pid)])
    expect(a.file).not.toBe(b.file)
    await Promise.all([a.close(), b.close()])
  })

  it('keeps order over many flushes and refuses values after close', async () => {
    const writer = await SummaryWriter.open(folder)
    for (let step = 0; step < 5_000; step++) {
      writer.add_scalar('train/loss', step, step)
      if (step % 1_000 === 0) void writer.flush()
    }
    await writer.close()
    const steps = readEvents(writer.file)
      .slice(1)
      .map((event) => event.step)
    expect(steps).toEqual(Array.from({ length: 5_000 }, (_, i) => i))
    expect(() => writer.add_scalar('train/loss', 1, 1)).toThrow(/closed/)
  })

  it('tells a failed write at the next flush, naming the file', async () => {
    const writer = await SummaryWriter.open(folder)
    renameSync(writer.file, writer.file + '.moved')
    mkdirSync(writer.file) // a folder in the file's place: appending fails
    writer.add_scalar('train/loss', 1, 1)
    await expect(writer.flush()).rejects.toThrow(writer.file)
    await writer.close()
  })

  it('refuses a folder that is a file', async () => {
    writeFileSync(join(folder, 'taken'), '')
    await expect(SummaryWriter.open(join(folder, 'taken'))).rejects.toThrow(/taken/)
  })

  it('writes the tags and values of the reference run from the same log rows', async () => {
    const reference = readEvents(golden('sft_run/article/events.out.tfevents.0')).filter(
      (e) => e.value !== undefined,
    )
    const state = JSON.parse(readFileSync(golden('sft_run/article/trainer_state.json'), 'utf8')) as {
      log_history: Array<Record<string, number>>
    }
    const writer = await SummaryWriter.open(folder)
    for (const row of state.log_history) writer.add_row(row, row['step']!)
    // trainer_state.json was saved before the final row; its figures are timings, so only their tags can be compared.
    const final = {
      train_runtime: 0,
      train_samples_per_second: 0,
      train_steps_per_second: 0,
      total_flos: 0,
      train_loss: 0,
    }
    writer.add_row({ ...final, epoch: 1 }, 50)
    await writer.close()
    const ours = readEvents(writer.file).slice(1)
    const key = (e: { tag?: string; step: number }): string => `${e.step} ${e.tag}`
    expect(ours.map(key).sort()).toEqual(reference.map(key).sort())
    const values = new Map(reference.map((e) => [key(e), e.value]))
    const logged = ours.filter((e) => !/^train\/(train_|total_flos)/.test(e.tag!))
    expect(logged).toHaveLength(351)
    for (const event of logged) expect(event.value).toBe(values.get(key(event)))
  })

  it.skipIf(!oracle)(titled("is read by TensorBoard's own reader", oracle, python), async () => {
    const writer = await SummaryWriter.open(folder)
    writer.add_row({ step: 3, loss: 0.5, eval_loss: 0.25, epoch: 1.5 }, 3)
    writer.add_row({ loss: 0.125 }, 4)
    writer.add_text('model_config', '# config')
    await writer.close()
    const script = resolve(__dirname, '../../parity/read_events.py')
    const read: unknown = JSON.parse(
      execFileSync(python, [script, folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    )
    expect(read).toEqual({
      file_version: 2,
      scalars: {
        'train/loss': [
          [3, 0.5],
          [4, 0.125],
        ],
        'eval/loss': [[3, 0.25]],
        'train/epoch': [[3, 1.5]],
      },
      texts: { 'model_config/text_summary': [[0, '# config']] },
    })
  })
})

describe('names', () => {
  it('rewrites keys to tags', () => {
    expect(['loss', 'eval_loss', 'test_loss', 'train_runtime', 'evaluation'].map(rewriteTag)).toEqual([
      'train/loss',
      'eval/loss',
      'test/loss',
      'train/train_runtime',
      'train/evaluation',
    ])
  })

  it('puts runs under output_dir/runs, unless TENSORBOARD_LOGGING_DIR is set', () => {
    const now = new Date(2026, 10, 4, 7, 5, 9)
    expect(defaultLoggingDir('results', now)).toBe(join('results', 'runs', `Nov04_07-05-09_${hostname()}`))
    process.env['TENSORBOARD_LOGGING_DIR'] = '/elsewhere'
    try {
      expect(defaultLoggingDir('results', now)).toBe('/elsewhere')
    } finally {
      delete process.env['TENSORBOARD_LOGGING_DIR']
    }
  })
})

it('crc32c gives the values of RFC 3720', () => {
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
})
