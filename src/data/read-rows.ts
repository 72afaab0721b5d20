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

/** The format of a data file by its name, or undefined; `.gz` and `.zst` after the ending are passed over. */
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
  /** Key of a JSON file's object under which its rows are. Default: the file is the rows. */
  field?: string | undefined
  /** The types of a CSV file's columns are those of its first rows, so that it need not be read as a whole. */
  streaming?: boolean
  signal?: AbortSignal | undefined
}

/**
 * Rows of one data file, some at a time.
 *
 * @throws Error naming the file (and line or row) when it is missing or not what its format says
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

/** 'json', 'csv', ... as `load_dataset` takes them; undefined when `name` looks like a folder or repository instead. */
export function formatNamed(name: string): DataFormat | undefined {
  const formats: readonly DataFormat[] = ['json', 'csv', 'parquet', 'arrow', 'text']
  return formats.find((format) => format === name)
}

/** All rows of one data file, as {@link rowBatches}. */
export async function readRows(path: string, format: DataFormat, options: ReadOptions = {}): Promise<Row[]> {
  const rows: Row[] = []
  for await (const batch of rowBatches(path, format, options)) for (const row of batch) rows.push(row)
  return rows
}

/** Error for a data file whose ending says nothing. */
export function unknownFormat(path: string): Error {
  return unknownNameError(path, extname(path) || '(none)', Object.keys(formatByExtension), 'file name ending')
}
