import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'

import { filesBySplit, matchFiles } from '../../src/data/data-files'
import { load_dataset } from '../../src/data/load-dataset'
import { parseSplit } from '../../src/data/split-slice'
import { sharedPath, titled } from '../support/shared'
import { temporaryFolder } from '../files/support/temporary'

async function folderWith(files: Record<string, string | Uint8Array>): Promise<string> {
  const dir = await temporaryFolder()
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true })
    await writeFile(join(dir, name), content)
  }
  return dir
}

const jsonl = (...rows: object[]): string => rows.map((row) => JSON.stringify(row) + '\n').join('')
const train = async (format: string, name: string, content: string): Promise<unknown[]> => {
  const dir = await folderWith({ [name]: content })
  return (await load_dataset(format, { data_files: join(dir, name), split: 'train' })).to_list()
}

describe('formats', () => {
  it('JSON: a line or one array, with BOM, CRLF, blank lines and line separators inside strings', async () => {
    const rows = [
      { a: 'x\u2028y\u2029z', n: 1.5 },
      { a: null, n: 2 },
    ]
    expect(await train('json', 'x.jsonl', '\uFEFF' + jsonl(...rows).replaceAll('\n', '\r\n\r\n'))).toEqual(
      rows,
    )
    expect(await train('json', 'x.json', '\uFEFF' + JSON.stringify(rows, null, 2))).toEqual(rows)
    const long = { text: 'é'.repeat(400_000) }
    expect(await train('json', 'x.jsonl', JSON.stringify(long))).toEqual([long])
  })

  it('JSON: names file and line of what is wrong', async () => {
    await expect(train('json', 'bad.jsonl', '{"a":1}\n{"a":\n')).rejects.toThrow(
      /bad\.jsonl:2: not valid JSON/,
    )
    await expect(train('json', 'bad.jsonl', '{"a":1}\n7\n')).rejects.toThrow(
      /bad\.jsonl:2: a row is a number, needs an object/,
    )
    await expect(train('json', 'bad.json', '[{"a":1}')).rejects.toThrow(/bad\.json: not valid JSON/)
    await expect(train('json', 'bad.json', '[[]]')).rejects.toThrow(/row 0: a row is an array/)
  })

  it('CSV: columns become numbers or booleans only as a whole', async () => {
    const csv = 'text,n,f,b,zip,word\n"a, ""b""\nc",1,0.5,true,007,None\nd,,-2e3,False,12,\n'
    expect(await train('csv', 'x.csv', csv)).toEqual([
      { text: 'a, "b"\nc', n: 1, f: 0.5, b: true, zip: '007', word: 'None' },
      { text: 'd', n: null, f: -2000, b: false, zip: '12', word: null },
    ])
    expect(await train('csv', 'x.csv', 'id\n9007199254740993\n1\n')).toEqual([
      { id: '9007199254740993' },
      { id: '1' },
    ])
    expect(await train('csv', 'x.tsv', 'a\tb\n1,5\t2\n')).toEqual([{ a: '1,5', b: 2 }])
    expect(await train('csv', 'x.csv', 'a,b\n1\n')).toEqual([{ a: 1, b: null }])
    await expect(train('csv', 'bad.csv', 'a,b\n1,2\n1,2,3\n')).rejects.toThrow(
      /bad\.csv:3: 3 fields, but the header names 2 columns/,
    )
    await expect(train('csv', 'bad.csv', 'a,b\n"1,2\n')).rejects.toThrow(
      /bad\.csv:2: the quoted field that begins here does not end/,
    )
  })

  it('text: one row a line', async () => {
    expect(await train('text', 'x.txt', 'one\n\ntwo')).toEqual([
      { text: 'one' },
      { text: '' },
      { text: 'two' },
    ])
  })

  it.each(['snappy', 'zstd', 'gzip'])(
    'Parquet (%s): numbers stay exact, lists and structs are plain',
    async (compression) => {
      const file = join(__dirname, 'golden', `types.${compression}.parquet`)
      const dataset = await load_dataset('parquet', { data_files: file, split: 'train' })
      const when = new Date('2026-11-24T00:00:00Z')
      expect(dataset.to_list()).toEqual([
        {
          id: 1,
          big: 2n ** 53n,
          x: 0.5,
          ok: true,
          when,
          turns: [{ role: 'user', content: 'a', n: 7 }],
          ids: [1, 2],
          category: 'a',
        },
        { id: null, big: 2n ** 53n + 1n, x: 1, ok: false, when: null, turns: [], ids: [3], category: 'b' },
        { id: -3, big: 2n ** 63n - 1n, x: null, ok: null, when: null, turns: null, ids: [], category: 'a' },
      ])
      expect(dataset.features).toMatchObject({
        big: 'int64',
        when: 'timestamp',
        turns: 'list<struct<role: string, content: string, n: int64>>',
      })
    },
  )

  it('Parquet: names the file that is none', async () => {
    await expect(train('parquet', 'bad.parquet', 'PAR1 not really')).rejects.toThrow(
      /bad\.parquet: not readable as Parquet/,
    )
  })

  it('is known by name; a missing file, no files and a folder that is none are named', async () => {
    await expect(load_dataset('json', { data_files: 'nowhere.jsonl' })).rejects.toThrow(
      /nowhere\.jsonl: no such file/,
    )
    await expect(load_dataset('json')).rejects.toThrow("'json' needs data_files")
    await expect(load_dataset('./nowhere/x')).rejects.toThrow("there is no folder './nowhere/x'")
    const dir = await folderWith({ 'x.jsonl': '{}', 'notes.gz': gzipSync('x') })
    await expect(load_dataset(join(dir, 'x.jsonl'))).rejects.toThrow('is a file; write load_dataset(')
    await expect(load_dataset(dir, { data_files: 'notes.gz' })).rejects.toThrow(
      "unknown file name ending '.gz'",
    )
    await expect(load_dataset(await folderWith({ 'a.bin': '' }))).rejects.toThrow('no data files')
    await expect(train('json', 'empty.jsonl', '\n')).rejects.toThrow(
      /split 'train' is empty: no rows in .*empty\.jsonl/,
    )
  })

  it('refuses unknown options', async () => {
    await expect(load_dataset('x/y', { splt: 'train' } as object)).rejects.toThrow("Did you mean 'split'?")
    await expect(load_dataset('x/y', { data_files: 7 } as object)).rejects.toThrow('data_files: got 7')
  })
})

describe('splits', () => {
  const numbers = jsonl(...Array.from({ length: 15 }, (_, i) => ({ i })))

  it('are sliced as datasets does', async () => {
    const dir = await folderWith({ 'train.jsonl': numbers, 'test.jsonl': jsonl({ i: 100 }) })
    const values = async (split: string): Promise<unknown[]> =>
      (await load_dataset(dir, { split })).column('i')
    expect(await values('train[:3]')).toEqual([0, 1, 2])
    expect(await values('train[-2:]')).toEqual([13, 14])
    expect(await values('train[ 2 : -11 ]')).toEqual([2, 3])
    // Python rounds 1.5 and 4.5 to even: 2 and 4.
    expect(await values('train[10%:30%]')).toEqual([2, 3])
    expect(await values('train[:99]')).toHaveLength(15)
    expect(await values('test+train[:1]')).toEqual([100, 0])
    await expect(values('train[5:5]')).rejects.toThrow("split 'train[5:5]' of")
    await expect(values('dev')).rejects.toThrow("unknown split 'dev'. Splits there are: train, test")
    expect(() => parseSplit('train[3]')).toThrow('is not understood; forms: train, train[:200]')
    const all = await load_dataset(dir)
    expect([...all.keys()]).toEqual(['train', 'test'])
  })

  it('are given by data_files, with patterns and folders', async () => {
    const dir = await folderWith({
      'd/a1.jsonl': jsonl({ i: 1 }),
      'd/a2.jsonl': jsonl({ i: 2 }),
      'd/b.jsonl': jsonl({ i: 3 }),
    })
    const local = await load_dataset('json', {
      data_files: { train: 'a*.jsonl', test: ['b.jsonl'] },
      data_dir: join(dir, 'd'),
    })
    expect([local.get('train').column('i'), local.get('test').column('i')]).toEqual([[1, 2], [3]])
    const inFolder = await load_dataset(dir, { data_files: ['d/b.jsonl', 'd/a[12].jsonl'], split: 'train' })
    expect(inFolder.column('i')).toEqual([3, 1, 2])
    await expect(load_dataset(dir, { data_files: 'c*.jsonl', data_dir: 'd' })).rejects.toThrow(
      "'d/c*.jsonl' matches no file. Files: d/a1.jsonl",
    )
    await expect(load_dataset('json', { data_files: join(dir, 'd/c*.jsonl') })).rejects.toThrow(
      'matches no file',
    )
  })
})

describe('filesBySplit', () => {
  const card = (configs: string): string => `---\nlicense: mit\nconfigs:\n${configs}---\n# Data\n`
  const split = (files: string[], text = '', options = {}): Record<string, string[]> =>
    Object.fromEntries([...filesBySplit(files, text, options)].map(([name, found]) => [name, found.files]))

  it('follows the data card', () => {
    const files = ['README.md', 'train.jsonl', 'data/train-00000.parquet', 'data/dev.csv', 'fr/all.csv']
    const text = card(
      '- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n  - split: dev\n    path: ["data/dev.csv"]\n' +
        '- config_name: fr\n  data_dir: fr\n',
    )
    expect(split(files, text)).toEqual({ train: ['data/train-00000.parquet'], dev: ['data/dev.csv'] })
    expect(split(files, text, { name: 'fr' })).toEqual({ train: ['fr/all.csv'] })
    expect(() => split(files, text, { name: 'frr' })).toThrow(
      "unknown configuration 'frr'. Did you mean 'fr'?",
    )
    expect(() => split(files, '', { name: 'fr' })).toThrow('names no configurations')
    expect(split(files, card('- config_name: one\n  data_files: "*.jsonl"\n'))).toEqual({
      train: ['train.jsonl'],
    })
    expect(() => split(files, card('- config_name: a\n- config_name: b\n'))).toThrow(
      'choose one with { name }: a, b',
    )
    expect(
      split(files, card('- config_name: a\n- config_name: b\n  default: true\n  data_files: fr/*\n')),
    ).toEqual({ train: ['fr/all.csv'] })
    const none = filesBySplit(files, card('- data_files: "*.arrow"\n'), {}).get('train')
    expect(none).toEqual({ files: [], unmatched: ['*.arrow'] })
  })

  it('else sharded names, split words, or everything', () => {
    expect(
      split([
        'train.csv',
        'data/train-00000-of-00002.parquet',
        'data/train-00001-of-00002.parquet',
        'data/extra-00000-of-00001.parquet',
      ]),
    ).toEqual({
      train: ['data/train-00000-of-00002.parquet', 'data/train-00001-of-00002.parquet'],
      extra: ['data/extra-00000-of-00001.parquet'],
    })
    expect(split(['my_train.jsonl', 'validation/1.jsonl', 'eval-2.jsonl', 'strain.jsonl', 'a.csv'])).toEqual({
      train: ['my_train.jsonl'],
      validation: ['validation/1.jsonl'],
      test: ['eval-2.jsonl'],
    })
    expect(split(['b.jsonl', 'a.jsonl', '.hidden/x.jsonl', 'x.csv', 'README.md'])).toEqual({
      train: ['a.jsonl', 'b.jsonl'],
    })
    expect(split(['x/a.jsonl', 'y/b.jsonl'], '', { data_dir: 'y' })).toEqual({ train: ['y/b.jsonl'] })
  })

  it('a split with missing parts does not pass for the whole', async () => {
    const dir = await folderWith({
      'data/train-00000-of-00002-1f.jsonl': jsonl({ i: 0 }),
      'data/test-00000-of-00001.jsonl': jsonl({ i: 1 }),
    })
    await expect(load_dataset(dir, { split: 'train' })).rejects.toThrow(
      "split 'train' is not whole: there is data/train-00000-of-00002-1f.jsonl, but no data/train-00001-of-00002",
    )
    expect((await load_dataset(dir, { split: 'test' })).column('i')).toEqual([1])
  })

  it('matches patterns', () => {
    const files = ['a.csv', 'b/a.csv', 'b/c/a.csv', 'b/a+b.csv']
    const match = (pattern: string): string[] => matchFiles(files, pattern).get('train')?.files ?? []
    expect(match('*.csv')).toEqual(['a.csv'])
    expect(match('**/a.csv')).toEqual(['a.csv', 'b/a.csv', 'b/c/a.csv'])
    expect(match('b/**')).toEqual(['b/a+b.csv', 'b/a.csv', 'b/c/a.csv'])
    expect(match('b/a+b.csv')).toEqual(['b/a+b.csv'])
    expect(match('{a,x}.csv')).toEqual(['a.csv'])
    expect(match('?.csv')).toEqual(['a.csv'])
    expect(match('[!b].csv')).toEqual(['a.csv'])
  })
})

describe('real data sets', () => {
  for (const [name, rows, features] of [
    ['instruct', 1000, { text: 'string' }],
    ['instruct_messages', 1000, { messages: 'list<struct<role: string, content: string>>' }],
    ['stories', 500, { text: 'string' }],
  ] as const) {
    const dir = sharedPath('data', name)
    it.skipIf(!dir)(
      titled(`${name}: Parquet and JSONL hold the same rows`, dir, `data/${name}`),
      async () => {
        const parquet = await load_dataset(dir ?? '', { split: 'train' })
        const json = await load_dataset('json', {
          data_files: join(dir ?? '', 'train.jsonl'),
          split: 'train',
        })
        expect(parquet.length).toBe(rows)
        expect(parquet.features).toEqual(features)
        expect(parquet.to_list()).toEqual(json.to_list())
      },
    )
  }
})
