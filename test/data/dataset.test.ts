import { describe, expect, it } from 'vitest'

import { Dataset, DatasetDict, requireColumn } from '../../src/data/dataset'

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

  it('shuffles by seed', () => {
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
    expect(dataset.rename_column('text', 'body').column_names).toEqual(['id', 'body'])
    expect(dataset.rename_column('text', 'body').at(1)).toEqual({ id: 1, body: 'row 1' })
    expect(() => dataset.rename_column('text', 'id')).toThrow("a column 'id' already")
    expect(dataset.add_column('n', new Float64Array(10)).at(9)).toEqual({ ...rows[9], n: 0 })
    expect(() => dataset.add_column('n', [1])).toThrow('1 values for 10 rows')
    expect(() => dataset.add_column('id', [])).toThrow("a column 'id' already")
    expect(() => requireColumn(dataset, 'prompt')).toThrow("no column 'prompt'. Its columns: id, text")
  })
})

it('DatasetDict names the splits there are', () => {
  const dict = new DatasetDict([['train', dataset]])
  expect(dict.get('train')).toBe(dataset)
  expect(() => dict.get('trian')).toThrow("unknown split 'trian'. Did you mean 'train'?")
})
