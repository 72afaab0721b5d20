import { extname } from 'node:path'

import { unreadable } from '../files/text'
import { codeOf } from '../files/atomic'
import { unknownNameError } from '../options/nearest'
import { readCsv } from './read-csv'
import { readJson, readTextRows } from './read-json'
import { readParquet } from './read-parquet'
import { type Row } from './dataset'

export type DataFormat = 'json' | 'csv' | 'parquet' | 'text'

/** File name ending to format. */
export const formatByExtension: Readonly<Record<string, DataFormat>> = {
  '.jsonl': 'json',
  '.ndjson': 'json',
  '.json': 'json',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.parquet': 'parquet',
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
  signal?: AbortSignal | undefined
}

/**
 * Rows of one data file.
 *
 * @throws Error naming the file (and line or row) when it is missing or not what its format says
 */
export async function readRows(path: string, format: DataFormat, options: ReadOptions = {}): Promise<Row[]> {
  const { delimiter = ending(path) === '.tsv' ? '\t' : ',', signal } = options
  try {
    if (format === 'parquet') return await readParquet(path, signal)
    if (format === 'csv') return await readCsv(path, delimiter, signal)
    if (format === 'text') return await readTextRows(path, signal)
    return await readJson(path, signal)
  } catch (error) {
    throw codeOf(error) === undefined || signal?.aborted ? error : unreadable(path, error)
  }
}

/** 'json', 'csv', ... as `load_dataset` takes them; undefined when `name` looks like a folder or repository instead. */
export function formatNamed(name: string): DataFormat | undefined {
  const formats: readonly DataFormat[] = ['json', 'csv', 'parquet', 'text']
  return formats.find((format) => format === name)
}

/** Error for a data file whose ending says nothing. */
export function unknownFormat(path: string): Error {
  return unknownNameError(path, extname(path) || '(none)', Object.keys(formatByExtension), 'file name ending')
}
