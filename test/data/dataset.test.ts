import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { concatenate_datasets } from '../../src/data/concatenate'
import { load_dataset } from '../../src/data/load-dataset'
import { Dataset, requireColumn } from '../../src/data/dataset'
import { DatasetDict } from '../../src/data/dataset-dict'

const rows = Array.from({ length: 10 }, (_, i) => ({ id: i, text: `row ${i}` }))
const dataset = Dataset.from_list(rows)
const ids = (d: Dataset): unknown[] => d.column('id')

describe('Dataset', () => {
  it('is made of rows or columns', () => {
    expect(dataset.column_names).toEqual(['id', 'text'])
    expect([dataset.num_rows, dataset.length]).toEqual([10, 10])
    expect(Dataset.from_dict({ id: [0, 1], text: ['row 0', 'row 1'] }).to_list()).toEqual(rows.slice(0, 2))
    expect(() => Dataset.from_dict({ a: [1, 2], b: [1] })).toThrow("column 'b' has 1 rows, 'a' has 2")
    expect(Dataset.from_list([{ a: 1 }, { b: 2 }]).to_list()).toEqual([
      { a: 1, b: null },
      { a: null, b: 2 },
    ])
  })

  it('gives rows by index and in a loop', async () => {
    expect(dataset.at(3)).toEqual(rows[3])
    expect(dataset.at(-1)).toEqual(rows[9])
    expect(() => dataset.at(10)).toThrow('no row 10 in a data set of 10 rows')
    expect([...dataset]).toEqual(rows)
    const seen: unknown[] = []
    for await (const row of dataset) seen.push(row)
    expect(seen).toEqual(rows)
  })

  it('names types as datasets does', () => {
    const messages = [{ role: 'user', content: 'x' }]
    const d = Dataset.from_list([
      { s: null, i: 1, f: 1, b: true, m: messages, n: null, l: [], x: 1, t: Int32Array.of(1) },
      { s: 'a', i: 2, f: 0.5, b: false, m: messages, n: null, l: [0.5, 1], x: 'a', t: Int32Array.of(2) },
    ])
    expect(d.features).toEqual({
      s: 'string',
      i: 'int64',
      f: 'float64',
      b: 'bool',
      m: 'list<struct<role: string, content: string>>',
      n: 'null',
      l: 'list<float64>',
      x: 'mixed',
      t: 'list<int64>',
    })
  })

  it('selects, slices, filters', async () => {
    expect(ids(dataset.select([2, 0, -1]))).toEqual([2, 0, 9])
    expect(() => dataset.select([11])).toThrow(RangeError)
    expect(ids(dataset.slice(8))).toEqual([8, 9])
    expect(ids(await dataset.filter((row, i) => row['id'] % 2 === 0 && i > 2))).toEqual([4, 6, 8])
    await expect(dataset.filter(() => true, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
  })

  it('maps rows and batches', async () => {
    const mapped = await dataset.map(async (row, i) => ({ text: `${row['text'] as string}!`, i }), {
      remove_columns: 'id',
    })
    expect(mapped.column_names).toEqual(['text', 'i'])
    expect(mapped.at(2)).toEqual({ text: 'row 2!', i: 2 })

    const progress: number[] = []
    const twice = await dataset.map((batch) => ({ id: [...batch['id'], ...batch['id']] }), {
      batched: true,
      batch_size: 4,
      remove_columns: ['id', 'text'],
      progress: (done) => progress.push(done),
    })
    expect(ids(twice).slice(0, 9)).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 4])
    expect(twice.length).toBe(20)
    expect(progress).toEqual([4, 8, 10])

    await expect(dataset.map((batch) => ({ id: batch['id'][0] }), { batched: true })).rejects.toThrow(
      "'id' is number",
    )
    await expect(dataset.map((batch) => ({ id: [...batch['id'], 1] }), { batched: true })).rejects.toThrow(
      "'text' has 10 rows",
    )
    await expect(dataset.map((row) => row, { remove_columns: 'txt' })).rejects.toThrow("no column 'txt'")
    await expect(dataset.map((row) => row, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
  })

  it('gives a batched function the indices, and leaves rows without a result as they are', async () => {
    const seen: number[][] = []
    const batched = await dataset.map(
      (batch, indices) => {
        seen.push(indices)
        return { twice: batch['id'].map((id: number) => id * 2) }
      },
      { batched: true, batch_size: 4, drop_last_batch: true },
    )
    expect(seen).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ])
    expect(batched.at(-1)).toEqual({ ...rows[7], twice: 14 })
    expect((await dataset.map(() => undefined)).to_list()).toEqual(rows)
    await expect(dataset.map(() => 'abc' as never)).rejects.toThrow(
      '[Dataset.map] the function returned a string for row 0, needs an object: column name to value',
    )
    await expect(dataset.map((row) => row, { batch_size: 0 })).rejects.toThrow('batch_size: got 0')
    const even = await dataset.filter((batch, i) => i.map((n) => n % 2 === 0 && batch['id'][0] === 0), {
      batched: true,
      batch_size: 4,
    })
    expect(ids(even)).toEqual([0, 2])
    await expect(dataset.filter(() => [true], { batched: true })).rejects.toThrow(
      'a list of booleans, one for each of 10 rows; it returned 1 values',
    )
  })

  it('takes, skips, and cuts into shards', () => {
    expect([ids(dataset.take(2)), ids(dataset.skip(8)), dataset.take(99).length]).toEqual([
      [0, 1],
      [8, 9],
      10,
    ])
    expect(() => dataset.take(0.5)).toThrow('[Dataset.take] got 0.5')
    const shards = [0, 1, 2].map((index) => dataset.shard({ num_shards: 3, index }))
    expect(shards.map(ids)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ])
    expect(ids(dataset.shard({ num_shards: 3, index: 1, contiguous: false }))).toEqual([1, 4, 7])
    expect(() => dataset.shard({ num_shards: 3, index: 3 })).toThrow(
      'index = 3: index needs an integer from 0',
    )
  })

  it('sorts by columns, text by code points, null and NaN apart', () => {
    const odd = Dataset.from_list(
      [
        { s: 'é', n: 3, f: 1.5 },
        { s: null, n: 1, f: NaN },
        { s: 'z', n: null, f: null },
        { s: '\u{1f600}', n: 2, f: -1 },
        { s: '\uffff', n: 2, f: 2 },
      ].map((row, id) => ({ ...row, id })),
    )
    // What datasets 5.2.0 gives.
    expect(ids(odd.sort('s'))).toEqual([2, 0, 4, 3, 1])
    expect(ids(odd.sort('s', { reverse: true, null_placement: 'at_start' }))).toEqual([1, 3, 4, 0, 2])
    expect(ids(odd.sort('f'))).toEqual([3, 0, 4, 1, 2])
    expect(ids(odd.sort('f', { reverse: true, null_placement: 'at_start' }))).toEqual([2, 1, 4, 0, 3])
    expect(ids(odd.sort(['n', 's'], { reverse: [true, false] }))).toEqual([0, 4, 3, 1, 2])
    expect(() => odd.sort(['n', 's'], { reverse: [true] })).toThrow('reverse has 1 values for 2 columns')
    expect(() => Dataset.from_list([{ a: 1 }, { a: 'x' }]).sort('a')).toThrow(
      "column 'a', row 1: a string; the rows before hold numbers",
    )
    expect(() => Dataset.from_list([{ a: [1] }]).sort('a')).toThrow("column 'a', row 0: a list has no order")
    expect(() => odd.sort('x')).toThrow("no column 'x'")
  })

  it('shuffles by seed', () => {
    // datasets 5.2.0 with NumPy 2.4.
    const five = Dataset.from_list(rows.slice(0, 5))
    expect(ids(five.shuffle({ seed: 7 }))).toEqual([2, 0, 4, 1, 3])
    const { train, test } = five.train_test_split({ test_size: 0.3, seed: 3 })
    expect([ids(train), ids(test)]).toEqual([
      [1, 3, 0],
      [4, 2],
    ])
    const shuffled = ids(dataset.shuffle({ seed: 1 }))
    expect(shuffled).not.toEqual(ids(dataset))
    expect(new Set(shuffled)).toEqual(new Set(ids(dataset)))
    expect(ids(dataset.shuffle({ seed: 1 }))).toEqual(shuffled)
    expect(dataset.shuffle().length).toBe(10)
  })

  it('splits into training and test rows', () => {
    const sizes = (options: object): number[] =>
      [...dataset.train_test_split(options).values()].map((d) => d.length)
    expect(sizes({})).toEqual([7, 3])
    expect(sizes({ test_size: 0.11 })).toEqual([8, 2])
    expect(sizes({ train_size: 0.55 })).toEqual([5, 5])
    expect(sizes({ test_size: 2, train_size: 3 })).toEqual([3, 2])
    const split = dataset.train_test_split({ test_size: 0.3, seed: 5 })
    expect(new Set([...ids(split.get('train')), ...ids(split.get('test'))])).toEqual(new Set(ids(dataset)))
    expect(ids(dataset.train_test_split({ test_size: 2, shuffle: false }).get('test'))).toEqual([8, 9])
    expect(() => dataset.train_test_split({ test_size: 8, train_size: 3 })).toThrow(
      '3 training and 8 test rows cannot be taken from 10',
    )
  })

  it('removes, renames, adds columns', () => {
    expect(dataset.remove_columns('id').at(0)).toEqual({ text: 'row 0' })
    expect(dataset.select_columns(['text']).at(0)).toEqual({ text: 'row 0' })
    expect(dataset.rename_columns({ id: 'text', text: 'id' }).at(1)).toEqual({ text: 1, id: 'row 1' })
    expect(Dataset.from_list([{ a: 2 }, { a: 1 }, { a: 2 }]).unique('a')).toEqual([2, 1])
    expect(dataset.take(2).to_dict()).toEqual({ id: [0, 1], text: ['row 0', 'row 1'] })
    expect(dataset.rename_column('text', 'body').column_names).toEqual(['id', 'body'])
    expect(dataset.rename_column('text', 'body').at(1)).toEqual({ id: 1, body: 'row 1' })
    expect(() => dataset.rename_column('text', 'id')).toThrow("a column 'id' already")
    expect(dataset.add_column('n', new Float64Array(10)).at(9)).toEqual({ ...rows[9], n: 0 })
    expect(() => dataset.add_column('n', [1])).toThrow('1 values for 10 rows')
    expect(() => dataset.add_column('id', [])).toThrow("a column 'id' already")
    expect(() => requireColumn(dataset, 'prompt')).toThrow("no column 'prompt'. Its columns: id, text")
  })
})

it('keeps what was a float a float', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'qlora-floats-')), 'rows.jsonl')
  await writeFile(path, '{"a":1.0,"b":2,"c":[3.0]}\n')
  const loaded = await load_dataset('json', { data_files: path, split: 'train' })
  const changed = await loaded
    .rename_column('b', 'd')
    .add_column('e', [1])
    .map(() => ({ f: 1 }))
  const again = await changed.map((batch) => ({ a: batch['a'] }), { batched: true })
  expect(again.features).toEqual({ a: 'float64', c: 'list<float64>', d: 'int64', e: 'int64', f: 'int64' })
})

describe('concatenate_datasets', () => {
  const one = Dataset.from_list([{ a: 1 }])
  it('joins rows, with null where a column is missing', () => {
    const joined = concatenate_datasets([one, Dataset.from_list([{ b: 'x' }]), Dataset.from_list([])])
    expect(joined.to_list()).toEqual([
      { a: 1, b: null },
      { a: null, b: 'x' },
    ])
    expect(concatenate_datasets([one, Dataset.from_list([{ a: 0.5 }])]).features).toEqual({ a: 'float64' })
    expect(concatenate_datasets([Dataset.from_dict({ a: [] })]).column_names).toEqual(['a'])
  })
  it('joins columns', () => {
    expect(concatenate_datasets([one, Dataset.from_list([{ b: 2 }])], { axis: 1 }).to_list()).toEqual([
      { a: 1, b: 2 },
    ])
    expect(() => concatenate_datasets([one, one], { axis: 1 })).toThrow("two data sets have a column 'a'")
    expect(() => concatenate_datasets([one, dataset], { axis: 1 })).toThrow('as many rows in each: 1, 10')
  })
  it('names what does not fit', () => {
    expect(() => concatenate_datasets([one, Dataset.from_list([{ a: 'x' }])])).toThrow(
      "column 'a' is string in number 1 of the list, int64 before",
    )
    expect(() => concatenate_datasets([])).toThrow('a list of at least one Dataset')
    expect(() => concatenate_datasets([new DatasetDict([['train', one]]) as never])).toThrow(
      'number 0 of the list is no Dataset',
    )
  })
})

it('DatasetDict gives splits as Python does, and maps all of them', async () => {
  const parts = dataset.train_test_split({ test_size: 2, shuffle: false })
  const { train, test } = parts
  expect([train.length, test, parts['test']]).toEqual([8, parts.get('test'), test])
  expect(['train' in parts, 'tset' in parts, parts.size]).toEqual([true, false, 2])
  expect(() => (parts as DatasetDict)['tset']).toThrow(
    "[DatasetDict] unknown split 'tset'. Did you mean 'test'?",
  )
  const all: DatasetDict = new DatasetDict(parts)
  expect(all.num_rows).toEqual({ train: 8, test: 2 })
  expect((await all.map((row) => ({ id: row['id'] + 1 })))['test']?.column('id')).toEqual([9, 10])
  expect((await all.filter((row) => row['id'] > 6)).num_rows).toEqual({ train: 1, test: 2 })
  const renamed = all.rename_column('id', 'n').remove_columns('text')
  expect(renamed.column_names).toEqual({ train: ['n'], test: ['n'] })
  expect(
    renamed.select_columns('n').rename_columns({ n: 'm' }).sort('m', { reverse: true })['test']?.column('m'),
  ).toEqual([9, 8])
  expect(all.shuffle({ seed: 7 })['train']?.to_list()).toEqual(train.shuffle({ seed: 7 }).to_list())
  // A promise's resolution asks for `then`, JSON for `toJSON`.
  expect(await Promise.resolve(all)).toBe(all)
  expect(JSON.stringify(all)).toBe('{}')
})

it('DatasetDict names the splits there are', () => {
  const dict = new DatasetDict([['train', dataset]])
  expect(dict.get('train')).toBe(dataset)
  expect(() => dict.get('trian')).toThrow("unknown split 'trian'. Did you mean 'train'?")
})
