import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'

import { IterableDataset } from '../../src/data/iterable-dataset'
import { load_dataset } from '../../src/data/load-dataset'
import type { Row } from '../../src/data/rows'

const numbers = Array.from({ length: 25 }, (_, i) => ({ i }))
const stream = IterableDataset.from_generator(() => numbers)

async function all(dataset: AsyncIterable<Row>): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of dataset) rows.push(row)
  return rows
}
const values = async (dataset: AsyncIterable<Row>): Promise<unknown[]> =>
  (await all(dataset)).map((row) => row['i'] as unknown)

async function folderWith(files: Record<string, string | Uint8Array>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'qlora-stream-'))
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  return folder
}

describe('IterableDataset', () => {
  it('maps, filters, takes and skips while the rows come', async () => {
    let calls = 0
    const mapped = stream.map((row, index: number) => {
      calls++
      return { twice: row['i'] * 2, index }
    })
    expect(calls).toBe(0)
    expect(await all(mapped.skip(2).take(2))).toEqual([
      { i: 2, twice: 4, index: 2 },
      { i: 3, twice: 6, index: 3 },
    ])
    expect(calls).toBeLessThan(6)
    expect(await values(stream.filter((row) => row['i'] % 10 === 0))).toEqual([0, 10, 20])
    expect(
      await values(stream.filter((batch) => batch['i'].map((i: number) => i > 22), { batched: true })),
    ).toEqual([23, 24])
    const batches: number[] = []
    const summed = stream.map(
      (batch, indices: number[]) => {
        batches.push(indices.length)
        return { sum: [batch['i'].reduce((a: number, b: number) => a + b, 0)] }
      },
      { batched: true, batch_size: 10, remove_columns: 'i', drop_last_batch: true },
    )
    expect(await all(summed)).toEqual([{ sum: 45 }, { sum: 145 }])
    expect(batches).toEqual([10, 10])
    expect(
      await all(
        stream
          .take(1)
          .rename_column('i', 'n')
          .map(() => ({ m: 1 }))
          .remove_columns('n'),
      ),
    ).toEqual([{ m: 1 }])
    expect(
      await all(
        stream
          .take(1)
          .map(() => ({ m: 1 }))
          .select_columns(['m', 'i']),
      ),
    ).toEqual([{ m: 1, i: 0 }])
  })

  it('shuffles as datasets does, otherwise in each epoch', async () => {
    // datasets 5.2.0: shuffle(seed=5, buffer_size=...) of one file.
    const seven = stream.shuffle({ seed: 5, buffer_size: 7 })
    expect(await values(seven)).toEqual([
      ...[1, 4, 2, 3, 6, 5, 7, 10, 14, 9, 11, 0, 12, 13, 16, 15, 19, 21, 20, 17, 24, 22, 18, 8, 23],
    ])
    expect(await values(seven)).toEqual(await values(seven))
    seven.set_epoch(2)
    expect(await values(seven)).toEqual([
      ...[3, 0, 2, 6, 9, 8, 10, 5, 14, 7, 1, 13, 15, 12, 11, 17, 18, 20, 16, 22, 23, 19, 21, 24, 4],
    ])
    const four = stream.shuffle({ seed: 5, buffer_size: 4 })
    expect(await values(four.skip(3).take(4))).toEqual([5, 7, 0, 9])
    expect(new Set(await values(stream.shuffle()))).toEqual(new Set(numbers.map(({ i }) => i)))
    expect(() => stream.shuffle({ buffer_size: 0 })).toThrow('buffer_size: got 0')
  })

  it('names the row that lacks a column', async () => {
    const rows = IterableDataset.from_generator(() => [{ a: 1 }, { b: 2 }])
    const message = "[IterableDataset] row 1 has no column 'a'. Its columns: b"
    for (const changed of [
      rows.remove_columns('a'),
      rows.select_columns('a'),
      rows.rename_column('a', 'c'),
      rows.map(() => null, { remove_columns: 'a' }),
    ])
      await expect(all(changed)).rejects.toThrow(message)
  })
})

describe('load_dataset with streaming', () => {
  const lines = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, k) => `{"i":${from + k}}\n`).join('')

  it('reads every format, packed or not, in the order of the files', async () => {
    const folder = await folderWith({
      'a.jsonl': lines(0, 3),
      'b.jsonl.gz': gzipSync(lines(3, 5)),
      'c.csv': 'i\n1\n2\n',
      'd.json': '[{"i":7},{"i":8}]',
      'e.txt': 'one\ntwo\n',
    })
    const read = async (format: string, file: string): Promise<Row[]> =>
      all(await load_dataset(format, { data_files: join(folder, file), split: 'train', streaming: true }))
    expect(await read('json', '*.jsonl*')).toEqual([0, 1, 2, 3, 4].map((i) => ({ i })))
    expect(await read('csv', 'c.csv')).toEqual([{ i: 1 }, { i: 2 }])
    expect(await read('json', 'd.json')).toEqual([{ i: 7 }, { i: 8 }])
    expect(await read('text', 'e.txt')).toEqual([{ text: 'one' }, { text: 'two' }])
    const files = ['a.jsonl', 'b.jsonl.gz'].map((file) => join(folder, file))
    const both = await load_dataset('json', { data_files: files, split: 'train', streaming: true })
    const orders = await Promise.all(
      [1, 2, 3, 4].map((seed) => values(both.shuffle({ seed, buffer_size: 1 }))),
    )
    // A buffer of one row keeps the order inside a file; that of the files is the seed's.
    expect(new Set(orders.map(String))).toEqual(new Set(['0,1,2,3,4', '3,4,0,1,2']))
    expect(await values(both.take(4).shuffle({ seed: 1, buffer_size: 1 }))).toEqual([0, 1, 2, 3])
  })

  it('gives splits by name, and says what a stream cannot do', async () => {
    const folder = await folderWith({ 'train.jsonl': lines(0, 2), 'test.jsonl': lines(5, 6) })
    const parts = await load_dataset(folder, { streaming: true })
    const { train, test } = parts
    expect([await values(train!), await values(test!), parts.get('test')]).toEqual([[0, 1], [5], test])
    expect(() => parts['tset']).toThrow("[IterableDatasetDict] unknown split 'tset'")
    const joined = await load_dataset(folder, { split: 'test+train', streaming: true })
    expect(await values(joined)).toEqual([5, 0, 1])
    await expect(load_dataset(folder, { split: 'train[:1]', streaming: true })).rejects.toThrow(
      "split 'train[:1]': a stream has no slices; use take(n) and skip(n)",
    )
    await expect(load_dataset(folder, { split: 'dev', streaming: true })).rejects.toThrow(
      "unknown split 'dev'",
    )
  })

  it('CSV: the first rows decide, and a later value of another kind is named', async () => {
    const body = Array.from({ length: 60_000 }, (_, i) => `${i},text ${i}\n`).join('')
    const folder = await folderWith({ 'a.csv': `n,s\n${body}x,y\n` })
    const options = { data_files: join(folder, 'a.csv'), split: 'train' as const }
    const read = await load_dataset('csv', { ...options, streaming: true })
    expect(await all(read.skip(20_000).take(1))).toEqual([{ n: 20_000, s: 'text 20000' }])
    await expect(all(read)).rejects.toThrow(
      "a.csv:60002: column 'n' holds numbers in the first 10000 rows, 'x' is none",
    )
    // As a whole the column is text.
    expect((await load_dataset('csv', options)).at(0)).toEqual({ n: '0', s: 'text 0' })
  })
})
