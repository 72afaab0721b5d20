import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'

import { Dataset } from '../../src/data/dataset'
import type { DatasetDict } from '../../src/data/dataset-dict'
import { load_dataset } from '../../src/data/load-dataset'
import { load_from_disk } from '../../src/data/load-from-disk'
import type { Row } from '../../src/data/rows'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qlora-save-'))
})

const rows: Row[] = Array.from({ length: 2500 }, (_, i) => ({
  text: i % 7 === 0 ? null : `row ${i} é`,
  n: i % 5 === 0 ? 2n ** 60n : i,
  half: i / 2 + 0.25,
  even: i % 2 === 0,
  when: new Date(i * 1000),
  bytes: Uint8Array.of(i % 256, 0),
  turns: Array.from({ length: i % 3 }, (_, k) => ({ role: 'user', content: `${k}`, ids: [k] })),
}))
const dataset = Dataset.from_list(rows)

describe('files that keep types', () => {
  it('come back as they were: a saved folder, Parquet', async () => {
    await dataset.save_to_disk(join(folder, 'saved'), { num_shards: 3 })
    await access(join(folder, 'saved/data-00002-of-00003.arrow'))
    const saved = (await load_from_disk(join(folder, 'saved'))) as Dataset
    expect(saved.to_list()).toEqual(rows)
    expect(saved.features).toEqual(dataset.features)
    const bytes = await dataset.to_parquet(join(folder, 'a.parquet'))
    expect(bytes).toBe((await readFile(join(folder, 'a.parquet'))).byteLength)
    const parquet = await load_dataset('parquet', { data_files: join(folder, 'a.parquet'), split: 'train' })
    expect(parquet.to_list()).toEqual(rows)
    const streamed = await load_dataset('arrow', {
      data_files: join(folder, 'saved/*.arrow'),
      split: 'train',
      streaming: true,
    })
    const seen: unknown[] = []
    for await (const row of streamed.skip(2499)) seen.push(row)
    expect(seen).toEqual([rows[2499]])
  })

  it('a data set without rows keeps its columns; one folder replaces another', async () => {
    const place = join(folder, 'replaced')
    await dataset.save_to_disk(place, { num_shards: 2 })
    await Dataset.from_dict({ a: [], b: [] }).save_to_disk(place)
    await expect(access(join(place, 'data-00001-of-00002.arrow'))).rejects.toThrow('ENOENT')
    expect(((await load_from_disk(place)) as Dataset).column_names).toEqual(['a', 'b'])
  })

  it('splits come back by name', async () => {
    const parts = dataset.take(10).train_test_split({ test_size: 3, seed: 1 })
    await parts.save_to_disk(join(folder, 'parts'), { num_shards: { train: 2 } })
    const { train, test } = (await load_from_disk(join(folder, 'parts'))) as DatasetDict
    expect([train?.to_list(), test?.to_list()]).toEqual([parts.train.to_list(), parts.test.to_list()])
    await access(join(folder, 'parts/train/data-00001-of-00002.arrow'))
  })

  it('name what they cannot hold', async () => {
    const odd = Dataset.from_list([{ a: 1 }, { a: null }, { a: 'x' }])
    await expect(odd.to_parquet(join(folder, 'odd.parquet'))).rejects.toThrow(
      "[Dataset.to_parquet] column 'a': row 2 is string, the rows before are int64; a column has one type",
    )
    const inside = Dataset.from_list([{ a: [1, 'x'] }])
    await expect(inside.save_to_disk(join(folder, 'odd'))).rejects.toThrow(
      "[Dataset.save_to_disk] column 'a': row 0 is list<mixed>",
    )
    await expect(Dataset.from_list([{ a: {} }]).to_parquet(join(folder, 'odd.parquet'))).rejects.toThrow(
      "column 'a': an object without keys",
    )
    await expect(Dataset.from_list([{ a: 2n ** 64n }]).to_parquet(join(folder, 'o.parquet'))).rejects.toThrow(
      '18446744073709551616 does not fit in 64 bits',
    )
    await expect(dataset.save_to_disk(join(folder, 'odd'), { num_shards: 0 })).rejects.toThrow(
      'num_shards: got 0',
    )
  })

  it('damaged or missing: the file is named', async () => {
    await expect(load_from_disk(join(folder, 'nowhere'))).rejects.toThrow('dataset_dict.json: no such folder')
    await expect(load_from_disk(folder)).rejects.toThrow('it was not written by save_to_disk')
    const place = join(folder, 'damaged')
    await dataset.take(2).save_to_disk(place)
    const file = join(place, 'data-00000-of-00001.arrow')
    await writeFile(file, 'no arrow at all')
    await expect(load_from_disk(place)).rejects.toThrow(`${file}: not readable as Arrow`)
    await rm(file)
    await expect(load_from_disk(place)).rejects.toThrow(`${file}: no such file`)
    await writeFile(join(place, 'state.json'), '{"_data_files":[{"name":"x"}]}')
    await expect(load_from_disk(place)).rejects.toThrow('state.json: _data_files.0.filename')
  })
})

describe('text files', () => {
  const small = Dataset.from_list([
    { s: 'a,"b"\nc\u{1f600}', n: 1, f: 0.5, b: true, d: new Date(5), l: [1, { x: null }], e: null },
    { s: '', n: 2n ** 60n, f: NaN, b: false, d: null, l: [], e: null },
  ])
  const read = (file: string): Promise<string> => readFile(join(folder, file), 'utf8')

  it('JSON: a line each, or one array, packed by name', async () => {
    const first =
      '{"s":"a,\\"b\\"\\nc\\ud83d\\ude00","n":1,"f":0.5,"b":true,"d":5,"l":[1,{"x":null}],"e":null}'
    const second = '{"s":"","n":1152921504606846976,"f":null,"b":false,"d":null,"l":[],"e":null}'
    expect(await small.to_json(join(folder, 'a.jsonl'))).toBe(first.length + second.length + 2)
    expect(await read('a.jsonl')).toBe(`${first}\n${second}\n`)
    await small.to_json(join(folder, 'a.json'), { lines: false, force_ascii: false })
    expect(await read('a.json')).toBe(`[${first.replace('\\ud83d\\ude00', '\u{1f600}')},${second}]\n`)
    await dataset.remove_columns('bytes').to_json(join(folder, 'a.jsonl.gz'))
    const text = gunzipSync(await readFile(join(folder, 'a.jsonl.gz'))).toString()
    expect(text.split('\n')).toHaveLength(2501)
    await Dataset.from_list([]).to_json(join(folder, 'none.json'), { lines: false })
    expect(await read('none.json')).toBe('[]\n')
    await expect(dataset.to_json(join(folder, 'x.jsonl'))).rejects.toThrow(
      '[Dataset.to_json] row 0: bytes: bytes have no form in JSON',
    )
    await expect(small.to_json('x', { compression: 'xz' as never })).rejects.toThrow("compression: got 'xz'")
  })

  it('CSV: quoted where needed, floats as Python writes them', async () => {
    await small.remove_columns(['d', 'e']).to_csv(join(folder, 'a.csv'))
    expect(await read('a.csv')).toBe(
      's,n,f,b,l\n"a,""b""\nc\u{1f600}",1,0.5,True,"[1,{""x"":null}]"\n,1152921504606846976,,False,[]\n',
    )
    await small.select_columns(['n', 'b']).to_csv(join(folder, 'b.csv'), { sep: '|', header: false })
    expect(await read('b.csv')).toBe('1|True\n1152921504606846976|False\n')
    const one = Dataset.from_list([{ a: null }, { a: 'x' }])
    await one.to_csv(join(folder, 'c.csv'))
    expect(await read('c.csv')).toBe('a\n""\nx\n')
    await expect(one.to_csv(join(folder, 'c.csv'), { sep: '\n' })).rejects.toThrow('needs one character')
  })

  it('JSON: rows under a key', async () => {
    await writeFile(join(folder, 'list.json'), '{"version":1,"data":[{"a":1},{"a":2}],"columns":{"a":[3,4]}}')
    const rowsOf = async (field: string): Promise<Row[]> => {
      const found = await load_dataset('json', {
        data_files: join(folder, 'list.json'),
        field,
        split: 'train',
      })
      return found.to_list()
    }
    expect([await rowsOf('data'), await rowsOf('columns')]).toEqual([
      [{ a: 1 }, { a: 2 }],
      [{ a: 3 }, { a: 4 }],
    ])
    await expect(rowsOf('rows')).rejects.toThrow("no field 'rows'. Its fields: version, data, columns")
    await expect(rowsOf('version')).rejects.toThrow("field 'version' needs a list of objects")
    await expect(
      load_dataset('csv', { data_files: join(folder, 'b.csv'), field: 'x', split: 'train' }),
    ).rejects.toThrow('field is for JSON files; ')
  })
})
