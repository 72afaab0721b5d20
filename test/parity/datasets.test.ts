import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'

import { Dataset } from '../../src/data/dataset'
import { DatasetDict } from '../../src/data/dataset-dict'
import { load_dataset } from '../../src/data/load-dataset'
import { load_from_disk } from '../../src/data/load-from-disk'
import type { Row } from '../../src/data/rows'
import { titled } from '../support/shared'
import { oracleNeeds, oraclePython, oracleTimeout, runOracle } from './oracle'

const rows: Row[] = [
  {
    text: 'a/b é \u2028 "q"\n\u{1f600}',
    n: 2 ** 40,
    half: 0.5,
    flags: [true, false],
    messages: [{ role: 'user', content: 'hi', score: 1.5 }, { role: 'assistant' }],
    inner: { list: [[1], []], name: 'x' },
    none: null,
    some: 'y',
    empty: [],
  },
  {
    text: '',
    n: -1,
    half: 1e-7,
    flags: [],
    messages: [],
    inner: { list: null, name: null },
    none: null,
    some: null,
    empty: [],
  },
]
/** A struct's missing field is null once it was in a file. */
const filled = structuredClone(rows)
filled[0]!['messages'][1] = { role: 'assistant', content: null, score: null }

it.skipIf(!oraclePython)(
  titled('datasets and we read what the other wrote', oraclePython, oracleNeeds),
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'qlora-datasets-'))
    const ours = Dataset.from_list(rows)
    await ours.save_to_disk(join(folder, 'ours'), { num_shards: 2 })
    await new DatasetDict([
      ['train', Dataset.from_dict({ i: [0, 1, 2] })],
      ['test', Dataset.from_dict({ i: [3] })],
    ]).save_to_disk(join(folder, 'splits'))
    await ours.to_parquet(join(folder, 'ours.parquet'))
    await Dataset.from_list(filled).to_json(join(folder, 'ours.jsonl'))
    const plain = [
      { s: 'a,"b"\nc', n: 1, f: 1.5, b: true },
      { s: '', n: 2, f: null, b: false },
    ]
    await Dataset.from_list(plain).to_csv(join(folder, 'plain.csv'))

    const found = await runOracle<Record<string, unknown>>('datasets_reference.py', folder)
    expect(found['ours']).toEqual(filled)
    expect(found['features']).toBe(
      "{'text': Value('string'), 'n': Value('int64'), 'half': Value('float64'), 'flags': List(Value('bool')), " +
        "'messages': List({'role': Value('string'), 'content': Value('string'), 'score': Value('float64')}), " +
        "'inner': {'list': List(List(Value('int64'))), 'name': Value('string')}, 'none': Value('null'), " +
        "'some': Value('string'), 'empty': List(Value('null'))}",
    )
    expect([found['parquet'], found['lines']]).toEqual([true, true])
    expect(found['splits']).toEqual({ train: [0, 1, 2], test: [3] })
    expect(found['csv']).toEqual([plain[0], { ...plain[1], s: null }])

    const theirs = (await load_from_disk(join(folder, 'theirs'))) as DatasetDict
    expect([...theirs.keys()]).toEqual(['train', 'test'])
    expect(theirs['train']?.to_list()).toEqual(filled)
    expect(theirs['train']?.features).toEqual(Dataset.from_list(filled).features)
    const lines = await load_dataset('json', { data_files: join(folder, 'theirs.jsonl.gz'), split: 'train' })
    expect(lines.to_list()).toEqual(filled)

    const nested: Row[] = [
      {
        large: 'a',
        large_list: [1],
        dictionary: 'x',
        fixed: [1, 2],
        time: new Date('2020-01-02T03:04:05Z'),
        big: 2n ** 60n,
        small: 255,
        bytes: Uint8Array.of(97, 98),
        nothing: null,
        deep: [{ a: [{ b: 1 }], c: 'x' }, null],
        lists: [['p'], null, []],
      },
      {
        large: null,
        large_list: [2, 3],
        dictionary: 'y',
        fixed: null,
        time: null,
        big: -1,
        small: null,
        bytes: new Uint8Array(),
        nothing: null,
        deep: [],
        lists: null,
      },
    ]
    for (const [format, file] of [
      ['arrow', 'stream.arrow'],
      ['arrow', 'file.arrow'],
      ['parquet', 'nested.parquet'],
    ] as const) {
      const read = await load_dataset(format, { data_files: join(folder, file), split: 'train' })
      expect(read.to_list(), file).toEqual(nested)
      expect(read.features['deep'], file).toBe('list<struct<a: list<struct<b: float64>>, c: string>>')
    }
    expect(await readFile(join(folder, 'ours.jsonl'), 'utf8')).toContain('"text":"a/b \\u00e9 \\u2028')
  },
  oracleTimeout,
)
