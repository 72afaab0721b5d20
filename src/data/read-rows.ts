import { extname } from 'node:path'

import { unreadable } from '../files/text'
import { codeOf } from '../files/atomic'
import { unknownNameError } from '../options/nearest'
import { arrowBatches } from './read-arrow'
import { csvBatches } from './read-csv'
import { jsonBatches, readJsonField, textBatches } from './read-json'
import { parquetBatches } from './read-parquet'
import type { Row } from './rows'

export type DataFormat = 'json' | 'csv' | 'parquet' | 'arrow' | 'text'

/** File name ending to format. */
export const formatByExtension: Readonly<Record<string, DataFormat>> = {
  '.jsonl': 'json',
  '.ndjson': 'json',
  '.json': 'json',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.parquet': 'parquet',
  '.arrow': 'arrow',
  '.txt': 'text',
}

/** The format of a data file by its name, or undefined; a further `.gz` or `.zst` is ignored. */
export function formatOf(path: string): DataFormat | undefined {
  return formatByExtension[ending(path)]
}

function ending(path: string): string {
  return extname(path.toLowerCase().replace(/\.(gz|zst)$/, ''))
}

/** How a data file is read. */
export interface ReadOptions {
  /** Character between the fields of a CSV file. Default: a comma, in `.tsv` files a tab. */
  delimiter?: string | undefined
  /** Key of the rows in a JSON file that is one object. Default: the file is the rows. */
  field?: string | undefined
  /** Take the column types of a CSV file from its first rows, so that it need not be read completely first. */
  streaming?: boolean
  signal?: AbortSignal | undefined
}

/**
 * The rows of one data file in chunks.
 *
 * @throws Error naming the file (and line or row) when it is missing or not of its format.
 */
export async function* rowBatches(
  path: string,
  format: DataFormat,
  options: ReadOptions = {},
): AsyncGenerator<Row[]> {
  const { signal } = options
  try {
    yield* batchesOf(path, format, options)
  } catch (error) {
    throw codeOf(error) === undefined || signal?.aborted ? error : unreadable(path, error)
  }
}

function batchesOf(
  path: string,
  format: DataFormat,
  { delimiter = ending(path) === '.tsv' ? '\t' : ',', field, streaming = false, signal }: ReadOptions,
): AsyncIterable<Row[]> {
  if (format === 'parquet') return parquetBatches(path, signal)
  if (format === 'arrow') return arrowBatches(path, signal)
  if (format === 'csv') return csvBatches(path, delimiter, { streaming, signal })
  if (format === 'text') return textBatches(path, signal)
  return field === undefined ? jsonBatches(path, signal) : once(() => readJsonField(path, field, signal))
}

async function* once<T>(value: () => Promise<T>): AsyncGenerator<T> {
  yield await value()
}

/** 'json', 'csv', ... as `load_dataset` accepts them; undefined if `name` looks like a folder or repository. */
export function formatNamed(name: string): DataFormat | undefined {
  const formats: readonly DataFormat[] = ['json', 'csv', 'parquet', 'arrow', 'text']
  return formats.find((format) => format === name)
}

/** All rows of one data file; see {@link rowBatches}. */
export async function readRows(path: string, format: DataFormat, options: ReadOptions = {}): Promise<Row[]> {
  const rows: Row[] = []
  for await (const batch of rowBatches(path, format, options)) for (const row of batch) rows.push(row)
  return rows
}

/** The error for a data file with an unknown extension. */
export function unknownFormat(path: string): Error {
  return unknownNameError(path, extname(path) || '(none)', Object.keys(formatByExtension), 'file name ending')
}
