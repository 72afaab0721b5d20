import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { Dataset, type Row } from '../../src/data/dataset'
import { IterableDataset } from '../../src/data/iterable-dataset'
import { IterableDatasetDict } from '../../src/data/iterable-dataset-dict'
import { load_dataset } from '../../src/data/load-dataset'
import type { SFTInit } from '../../src/trainer/arguments'
import { logger } from '../../src/logging'
import { adapterBytes, dropping, figures, stoppable } from './stoppable'
import { tinyPreference, tinyTrainer } from './tiny'

// Short, so that more rows than a block of 1,000 are quick.
const rowsOf = (count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({ text: `${i}`.repeat(1 + (i % 2)) }))
const tableOf = (count: number): Dataset => Dataset.from_list(rowsOf(count))
const streamOf = (count: number): IterableDataset => IterableDataset.from_generator(() => rowsOf(count))

describe('a stream as train_dataset', () => {
  it.each([
    ['row by row', {}],
    ['packed', { packing: true }],
    ['packed as one text', { packing: true, packing_strategy: 'wrapped' }],
    ['with accumulation', { gradient_accumulation_steps: 2 }],
    ['without the last short batch', { dataloader_drop_last: true }],
  ] as [string, SFTInit][])('gives the bits of the same rows as a table: %s', async (_, args) => {
    // Batches of 300 reach over the end of the first block of 1,000 rows.
    const given: SFTInit = { per_device_train_batch_size: args.packing ? 40 : 300, max_steps: 5, ...args }
    const table = await tinyTrainer(
      { ...given, train_sampling_strategy: 'sequential' },
      { train_dataset: tableOf(1250), peft_config: dropping() },
    )
    const output = await table.train()
    const stream = await tinyTrainer(given, { train_dataset: streamOf(1250), peft_config: dropping() })
    expect(await stream.train()).toMatchObject({
      global_step: 5,
      training_loss: output.training_loss,
      stopped: false,
    })
    expect(await adapterBytes(stream)).toEqual(await adapterBytes(table))
  })

  it('reads no further than the run goes, and begins again where it ends', async () => {
    let passes = 0
    let read = 0
    const counted = IterableDataset.from_generator(function* () {
      passes++
      for (const row of rowsOf(5000)) {
        read++
        yield row
      }
    })
    const few = await tinyTrainer({ max_steps: 3 }, { train_dataset: counted })
    await few.train()
    // Once to see the first block, once to train on it.
    expect([passes, read]).toEqual([2, 2000])

    const seen: unknown[] = []
    const short = IterableDataset.from_generator(() => rowsOf(5)).map((row) => void seen.push(row['text']))
    const again = await tinyTrainer({ max_steps: 7 }, { train_dataset: short })
    expect(await again.train()).toMatchObject({ global_step: 7, stopped: false })
    // The first block twice, then passes 2 and 3: 3 batches of 2, 2 and 1 rows each.
    expect(seen).toHaveLength(20)
    expect(again.state).toMatchObject({ epoch: 2 + 1 / 7, max_steps: 7 })
  })

  it('shuffles each pass otherwise', async () => {
    const orders: string[] = []
    const shuffled = streamOf(6).shuffle({ seed: 3, buffer_size: 4 })
    const order = async (epoch: number): Promise<string> => {
      const rows: unknown[] = []
      for await (const part of shuffled.chunks(epoch)) rows.push(...part.map((row) => row['text'] as unknown))
      return rows.join()
    }
    for (const epoch of [0, 1, 2]) orders.push(await order(epoch))
    expect(new Set(orders).size).toBe(3)
    const table = Dataset.from_list(orders.flatMap((text) => text.split(',').map((one) => ({ text: one }))))
    const args: SFTInit = { max_steps: 9 }
    const whole = await tinyTrainer(
      { ...args, train_sampling_strategy: 'sequential' },
      { train_dataset: table, peft_config: dropping() },
    )
    await whole.train()
    const stream = await tinyTrainer(args, { train_dataset: shuffled, peft_config: dropping() })
    await stream.train()
    expect(await adapterBytes(stream)).toEqual(await adapterBytes(whole))
  })

  it('ends with a word where it can be read only once', async () => {
    const warn = vi.spyOn(logger, 'warning').mockImplementation(() => {})
    const once = rowsOf(4)[Symbol.iterator]()
    const head = rowsOf(4)
    let passes = 0
    const stream = IterableDataset.from_generator(() => (passes++ === 0 ? head : once))
    const trainer = await tinyTrainer({ max_steps: 6 }, { train_dataset: stream })
    expect(await trainer.train()).toMatchObject({ global_step: 2, stopped: true })
    expect(warn).toHaveBeenCalledWith('pass 2 over the stream gives no rows: training ends at step 2 of 6')
    warn.mockRestore()
  })
})

describe('a run over a stream goes on with the bits of one that was not stopped', () => {
  const shuffled = (count: number): IterableDataset => streamOf(count).shuffle({ seed: 5, buffer_size: 7 })
  const args: SFTInit = { max_steps: 8, num_train_epochs: 3, save_strategy: 'steps', save_steps: 1 }

  it.each([
    ['in several short passes', 10, {}, [1, 3, 4]],
    ['packed', 1100, { packing: true, per_device_train_batch_size: 60 }, [6]],
    ['over the end of a block', 1100, { per_device_train_batch_size: 110 }, [4, 5]],
  ] as [string, number, SFTInit, number[]][])('%s', async (_, count, more, stops) => {
    const options = { train_dataset: shuffled(count), eval_dataset: streamOf(3) }
    const whole = await stoppable({ ...args, ...more }, [], options)
    expect(await whole.train()).toMatchObject({ global_step: 8, stopped: false })

    const parts = await stoppable({ ...args, ...more }, stops, options)
    for (const step of stops) expect(await parts.train()).toMatchObject({ global_step: step, stopped: true })
    expect(await parts.train()).toMatchObject({ global_step: 8, stopped: false })
    expect(figures(parts.trainer)).toEqual(figures(whole.trainer))
    expect(await adapterBytes(parts.trainer)).toEqual(await adapterBytes(whole.trainer))

    // From the checkpoints of the first run, as another process would.
    const { output_dir } = whole.trainer.args
    for (const step of stops) {
      const resumed = await stoppable({ ...args, ...more, save_strategy: 'no' }, [], options)
      const output = await resumed.trainer.train({
        resume_from_checkpoint: join(output_dir, `checkpoint-${step}`),
      })
      expect(output.global_step).toBe(8)
      expect(await adapterBytes(resumed.trainer)).toEqual(await adapterBytes(whole.trainer))
    }
  })

  it('and says so when the stream is another one', async () => {
    const first = await stoppable(args, [3], { train_dataset: shuffled(1100) })
    await first.train()
    const from = join(first.trainer.args.output_dir, 'checkpoint-3')
    const resume = async (train_dataset: IterableDataset): Promise<unknown> =>
      (await tinyTrainer({ ...args, save_strategy: 'no' }, { train_dataset, peft_config: dropping() })).train(
        {
          resume_from_checkpoint: from,
        },
      )
    await expect(resume(streamOf(1100).shuffle({ seed: 6, buffer_size: 7 }))).rejects.toThrow(
      "the tokenized rows of train_dataset are not those of the checkpoint's run (the first rows of the stream are others: give shuffle a seed)",
    )

    let passes = 0
    const changing = IterableDataset.from_generator(() => {
      passes++
      return passes === 1 ? rowsOf(30) : rowsOf(30).reverse()
    })
    const stopped = await stoppable(args, [2], { train_dataset: changing })
    await expect(stopped.train()).resolves.toMatchObject({ global_step: 2 })
    passes = 0
    await expect(stopped.train()).rejects.toThrow(
      'from row 0 on the stream does not have the rows that it had',
    )
  })
})

describe('a stream as eval_dataset', () => {
  it('measures what a table of its rows measures', async () => {
    const trainer = await tinyTrainer({ per_device_eval_batch_size: 3 })
    const { eval_runtime: _a, ...table } = withoutSpeed(await trainer.evaluate(tableOf(8)))
    const { eval_runtime: _b, ...stream } = withoutSpeed(await trainer.evaluate(streamOf(8)))
    expect(stream).toEqual(table)
    const both = await trainer.evaluate(
      new IterableDatasetDict([
        ['a', streamOf(8)],
        ['b', streamOf(2)],
      ]) as never,
    )
    expect(both['eval_a_loss']).toBe(table['eval_loss'])
    expect(both['eval_b_loss']).toBeGreaterThan(0)
  })

  const withoutSpeed = (row: Record<string, number>): Record<string, number> =>
    Object.fromEntries(Object.entries(row).filter(([name]) => !/per_second/.test(name)))
})

describe('what a stream cannot do is said before the first step', () => {
  it.each([
    [{ max_steps: -1 }, 'train_dataset is a stream: give max_steps'],
    [{ max_length: null }, 'train_dataset is a stream: give max_length'],
    [{ group_by_length: true }, 'train_dataset is a stream: rows cannot be grouped by length'],
  ] as [SFTInit, string][])('%j', async (args, message) => {
    await expect(tinyTrainer(args, { train_dataset: streamOf(3) })).rejects.toThrow(message)
  })

  it('no rows, too few, and rows without the column', async () => {
    const train = async (stream: IterableDataset, args: SFTInit = {}): Promise<unknown> =>
      (await tinyTrainer(args, { train_dataset: stream })).train()
    await expect(train(streamOf(0))).rejects.toThrow('the train data set, a stream, has no rows')
    await expect(train(streamOf(1), { dataloader_drop_last: true })).rejects.toThrow(
      "the stream's 1 rows make no batch of 2 with dataloader_drop_last",
    )
    await expect(train(IterableDataset.from_generator(() => [{ body: 'x' }]))).rejects.toThrow(
      "the train data set has no column 'text'",
    )
    await expect(
      train(
        IterableDataset.from_generator(() => [...rowsOf(1200), { text: 7 }]),
        {
          per_device_train_batch_size: 300,
          max_steps: 5,
        },
      ),
    ).rejects.toThrow('[SFT] row 1200: text gave number, needs one string')
    await expect(tinyPreference('DPO', {}, { train_dataset: streamOf(3) as never })).rejects.toThrow(
      'preference trainers do not read streams',
    )
  })

  it('a file that is streamed and shuffled trains', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'qlora-streamed-'))
    const lines = rowsOf(40).map((row) => `${JSON.stringify(row)}\n`)
    await writeFile(join(folder, 'rows.jsonl'), lines.join(''))
    const data = await load_dataset('json', {
      data_files: join(folder, 'rows.jsonl'),
      split: 'train',
      streaming: true,
    })
    const trainer = await tinyTrainer(
      { shuffle_dataset: true, max_steps: 30 },
      { train_dataset: data, eval_dataset: data.take(4) },
    )
    expect(await trainer.train()).toMatchObject({ global_step: 30, stopped: false })
    await trainer.save_model()
    const { eval_loss } = await trainer.evaluate()
    expect(eval_loss).toBeLessThan(trainer.state.log_history[0]!['loss']!)
  })
})
