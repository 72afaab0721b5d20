import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Papa from 'papaparse'
import { describe, expect, it, vi } from 'vitest'

import { CsvParser } from '../../src/data/csv-parser'
import { load_dataset } from '../../src/data/load-dataset'
import { temporaryFolder } from '../files/support/temporary'

/** Records of a text given in pieces of `size` characters. */
function records(text: string, size: number = text.length || 1, delimiter = ','): string[][] {
  const found: string[][] = []
  const parser = new CsvParser('x.csv', delimiter, (record) => found.push(record))
  for (let at = 0; at < text.length; at += size) parser.add(text.slice(at, at + size))
  parser.end()
  return found
}

async function rows(content: string | Uint8Array, options: object = {}): Promise<unknown[]> {
  const path = join(await temporaryFolder(), 'x.csv')
  await writeFile(path, content)
  return (await load_dataset('csv', { data_files: path, split: 'train', ...options })).to_list()
}

describe('the parser', () => {
  const texts = [
    'a,b\n1,2\n',
    'a,b\r\n1,2\r\n\r\n3,4',
    'a\rb\rc',
    '"a ""q"" b","x\ny\r\nz"\n,\n"",""\n',
    '""\n\n"a"\n',
    'a,\n,b\n,,\n"c",',
    'it"s,5" tall\n',
    '微调,"语言,模型"\n𝒳,é\n',
  ]

  it('gives the same records however the text is cut', () => {
    for (const text of texts)
      for (const size of [1, 2, 3, 5]) expect(records(text, size), text).toEqual(records(text))
  })

  it('agrees with papaparse', () => {
    for (const text of texts.filter((t) => !/^""|\r(?!\n)/.test(t))) {
      const { data } = Papa.parse<string[]>(text, { delimiter: ',', skipEmptyLines: true })
      expect(records(text), text).toEqual(data)
    }
    let seed = 1
    const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n
    for (let i = 0; i < 300; i++) {
      const fields = Array.from({ length: 3 }, () =>
        Array.from({ length: 3 }, () =>
          Array.from({ length: random(4) }, () => ['a', '"', ',', '\n', '微'][random(5)]!).join(''),
        ),
      )
      const text = Papa.unparse(fields)
      expect(records(text, 1 + random(7)), JSON.stringify(text)).toEqual(
        fields.filter((record) => record.join() !== '' || record.length > 1),
      )
    }
  })

  it('names the line of a fault', () => {
    expect(() => records('a\n"x\ny"\n"b"c\n')).toThrow('x.csv:4: text after the closing quote of a field')
    expect(() => records('a\n1\n"x\ny\n')).toThrow('x.csv:3: the quoted field that begins here does not end')
  })
})

describe('CSV files', () => {
  it('keep every character of a long Chinese text', async () => {
    const text = (i: number): string => '微调语言模型需要数据'.repeat(3) + i
    const all = Array.from({ length: 60_000 }, (_, i) => text(i))
    const read = (await rows('text\n' + all.join('\n'))) as { text: string }[]
    expect(read.filter((row, i) => row.text !== text(i))).toEqual([])
    expect(read).toHaveLength(60_000)
  })

  it('take a delimiter, by both of pandas names', async () => {
    const expected = [{ text: 'a,b', n: 1 }]
    expect(await rows('text;n\na,b;1\n', { delimiter: ';' })).toEqual(expected)
    expect(await rows('text|n\na,b|1\n', { sep: '|' })).toEqual(expected)
    await expect(rows('a', { delimiter: ';;' })).rejects.toThrow(
      "[load_dataset] delimiter: got ';;', needs one character, no quote and no line end",
    )
    await expect(load_dataset('json', { data_files: __filename, delimiter: ';' })).rejects.toThrow(
      'delimiter is for CSV files',
    )
  })

  it('have __proto__ as a column like any other', async () => {
    const [row] = (await rows('__proto__,text,constructor\nx,a,c\n')) as object[]
    expect(Object.entries(row!)).toEqual([
      ['__proto__', 'x'],
      ['text', 'a'],
      ['constructor', 'c'],
    ])
  })

  it('name columns without a name, and of one name, as pandas does', async () => {
    const warnings: string[] = []
    const warn = vi
      .spyOn(console, 'warn')
      .mockImplementation((text: unknown) => void warnings.push(String(text)))
    expect(await rows(',a,a,a.1\n1,2,3,4\n')).toEqual([{ 'Unnamed: 0': 1, a: 2, 'a.2': 3, 'a.1': 4 }])
    warn.mockRestore()
    expect(warnings.join()).toContain("column 3 has the name 'a' too; it is 'a.2' here")
  })

  it('may have very many columns', async () => {
    const names = Array.from({ length: 100_000 }, (_, i) => `c${i}`)
    const [row] = (await rows(`${names.join()}\n${names.join()}\n`)) as object[]
    expect(Object.keys(row!)).toEqual(names)
  })

  it('are read in linear time, whatever is in one field', async () => {
    const [row] = (await rows('text\n"' + 'a'.repeat(30_000_000) + '"\n')) as { text: string }[]
    expect(row!.text).toHaveLength(30_000_000)
    const [quotes] = (await rows('text\n"' + '""'.repeat(1_000_000) + '"\n')) as { text: string }[]
    expect(quotes!.text).toBe('"'.repeat(1_000_000))
  })
})
