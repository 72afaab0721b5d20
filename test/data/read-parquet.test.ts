import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { load_dataset } from '../../src/data/load-dataset'
import { isFloat } from '../../src/files/json'
import { temporaryFolder } from '../files/support/temporary'

const fixture = (name: string): string => join(__dirname, 'fixtures', name)
const rows = async (path: string): Promise<Record<string, unknown>[]> =>
  (await load_dataset('parquet', { data_files: path, split: 'train' })).to_list()

describe('Parquet files', () => {
  it.each([
    ['null_column', 'system'],
    ['null_type', 'empty'],
  ])('lz4 with a column of nulls: %s', async (name, column) => {
    expect(await rows(fixture(`${name}.parquet`))).toEqual([
      { text: 'one', [column]: null },
      { text: 'two', [column]: null },
    ])
  })

  it('take columns of any name, and know floats from integers', async () => {
    const [first, second] = await rows(fixture('names.parquet'))
    expect(Object.entries(first!)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'p'],
      ['f', 1],
      ['fs', [1, 2.5]],
      ['n', 1],
    ])
    expect([isFloat(first!, 'f'), isFloat(second!, 'f'), isFloat(first!, 'n')]).toEqual([true, true, false])
    expect(isFloat(first!['fs'] as number[], 0)).toBe(true)
  })

  it.each(['gzip', 'zstd', 'brotli'])('bound what a page may expand to: %s', async (codec) => {
    await expect(rows(fixture(`bomb.${codec}.parquet`))).rejects.toThrow(
      /parquet: not readable as Parquet: column 'text': a page would take 90\d+ bytes, more than 256 times/,
    )
  })

  it('bound what a long value in every row adds up to', async () => {
    await expect(rows(fixture('repeated.parquet'))).rejects.toThrow(/its text would take \d{10} bytes/)
  })

  it('that are damaged are told in words', async () => {
    const good = await readFile(fixture('names.parquet'))
    const folder = await temporaryFolder()
    const broken = async (change: (bytes: Buffer) => Buffer): Promise<string> => {
      const path = join(folder, 'x.parquet')
      await writeFile(path, change(Buffer.from(good)))
      return rows(path).then(
        () => 'read',
        (error: unknown) => String((error as Error).message),
      )
    }
    expect(await broken((b) => b.subarray(0, b.length - 1))).toContain('x.parquet: not readable as Parquet')
    expect(await broken((b) => (b.writeUInt32LE(0, b.length - 8), b))).toContain(
      'x.parquet: not readable as Parquet: the file is damaged, or is not Parquet',
    )
    for (let at = 4; at < good.length; at += 7) {
      const message = await broken((b) => ((b[at]! ^= 0x55), b))
      expect(message, String(at)).toMatch(/^read$|x\.parquet: not readable as Parquet: |^\[load_dataset\]/)
      expect(message, String(at)).not.toMatch(/Cannot read|not a function|not iterable|Invalid/)
    }
  })
})
