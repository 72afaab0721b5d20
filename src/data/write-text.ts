import type { FileHandle } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'

import { replaceFile, writeAll } from '../files/atomic'
import { isFloat } from '../files/json'
import { checkNames } from '../options/parse'
import { floatText } from './jinja/python-text'
import type { Row } from './rows'

/** Compression of a text file; 'infer' by its name: gzip for .gz. */
type Compression = 'infer' | 'gzip' | null

export interface JsonOptions {
  /** One object per line (default), or one array of objects. */
  lines?: boolean
  /** Write other characters than ASCII as `\u` escapes, as pandas does. Default true. */
  force_ascii?: boolean
  compression?: Compression
}

export interface CsvOptions {
  /** Character between the fields. Default: a comma. */
  sep?: string
  /** Write the column names as the first line. Default true. */
  header?: boolean
  compression?: Compression
}

const ROWS_AT_ONCE = 1000

/** @throws TypeError naming row and column of a value that JSON cannot represent. */
export async function writeJson(path: string, rows: readonly Row[], options: JsonOptions): Promise<number> {
  checkNames<JsonOptions>('Dataset.to_json', options, ['lines', 'force_ascii', 'compression'], {
    orient: { default: 'records', reason: 'rows are written one after the other.' },
    index: { default: null, neutral: [false], reason: 'rows have no index.' },
    batch_size: { default: 1000, reason: 'rows are written a thousand at a time.' },
    num_proc: { default: null, neutral: [1], reason: 'one process writes.' },
  })
  const { lines = true, force_ascii = true, compression = 'infer' } = options
  const [begin, between, end] = lines ? ['', '\n', rows.length > 0 ? '\n' : ''] : ['[', ',', ']\n']
  const text = (row: Row, i: number): string => {
    const json = naming('Dataset.to_json', i, () => jsonText(row))
    return (i === 0 ? begin : between) + (force_ascii ? escaped(json) : json)
  }
  const outside = rows.length === 0 ? begin + end : end
  return writeText('Dataset.to_json', path, rows, text, outside, compression)
}

/** @throws TypeError naming row and column of a value that CSV cannot represent. */
export async function writeCsv(
  path: string,
  rows: readonly Row[],
  columns: readonly string[],
  options: CsvOptions,
): Promise<number> {
  checkNames<CsvOptions>('Dataset.to_csv', options, ['sep', 'header', 'compression'], {
    index: { default: null, neutral: [false], reason: 'rows have no index.' },
    batch_size: { default: 1000, reason: 'rows are written a thousand at a time.' },
    num_proc: { default: null, neutral: [1], reason: 'one process writes.' },
  })
  const { sep = ',', header = true, compression = 'infer' } = options
  if (!/^[^"\r\n]$/.test(sep))
    throw new TypeError(`[Dataset.to_csv] sep: got '${sep}', needs one character, no quote and no line end`)
  const special = new RegExp(`["\\r\\n${sep.replace(/[\\\]^-]/, '\\$&')}]`)
  const line = (fields: readonly string[]): string => {
    const quoted = fields.map((field) => (special.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    // An empty line would not be read as a row.
    return `${quoted.length === 1 && quoted[0] === '' ? '""' : quoted.join(sep)}\n`
  }
  const head = header ? line(columns) : ''
  const text = (row: Row, i: number): string =>
    (i === 0 ? head : '') +
    naming('Dataset.to_csv', i, () => line(columns.map((name) => fieldText(row, name))))
  return writeText('Dataset.to_csv', path, rows, text, rows.length === 0 ? head : '', compression)
}

async function writeText(
  owner: string,
  path: string,
  rows: readonly Row[],
  text: (row: Row, index: number) => string,
  end: string,
  compression: Compression,
): Promise<number> {
  if (![null, 'infer', 'gzip'].includes(compression))
    throw new TypeError(`[${owner}] compression: got '${compression}', needs 'infer', 'gzip' or null`)
  const packs = compression === 'gzip' || (compression === 'infer' && path.endsWith('.gz'))
  let written = 0
  const add = async (file: FileHandle, piece: string): Promise<void> => {
    const bytes = Buffer.from(piece, 'utf8')
    written += bytes.byteLength
    // Several gzip members, concatenated, are a valid gzip file.
    await writeAll(file, packs ? gzipSync(bytes) : bytes)
  }
  await replaceFile(path, async (file) => {
    for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
      const part = rows.slice(from, from + ROWS_AT_ONCE)
      await add(file, part.map((row, i) => text(row, from + i)).join(''))
    }
    if (end !== '' || (packs && rows.length === 0)) await add(file, end)
  })
  return written
}

/** A row as JSON like pandas': floats keep their decimal point, NaN is null, times are milliseconds since 1970. */
function jsonText(row: Row): string {
  const object = (fields: Row): string =>
    `{${Object.keys(fields)
      .map((key) => `${JSON.stringify(key)}:${one(fields, key)}`)
      .join(',')}}`
  const one = (container: object, key: string | number): string => {
    const value = (container as Record<string | number, unknown>)[key]
    if (value === null || value === undefined) return 'null'
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) return 'null'
      return isFloat(container, key) ? floatText(value) : String(value)
    }
    if (typeof value === 'bigint') return String(value)
    if (value instanceof Date) return String(value.getTime())
    if (value instanceof Uint8Array) throw new TypeError(`${key}: bytes have no form in JSON`)
    if (ArrayBuffer.isView(value)) return `[${Array.from(value as Float32Array).join(',')}]`
    if (Array.isArray(value)) return `[${value.map((_, i) => one(value, i)).join(',')}]`
    if (typeof value === 'object') return object(value)
    return JSON.stringify(value) ?? 'null'
  }
  return object(row)
}

function fieldText(row: Row, name: string): string {
  const value: unknown = row[name]
  if (value === null || value === undefined || Number.isNaN(value)) return ''
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number') return isFloat(row, name) ? floatText(value) : String(value)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Date)
    return value
      .toISOString()
      .replace('T', ' ')
      .replace(/(\.000)?Z$/, '')
  const whole = jsonText({ value })
  return whole.slice('{"value":'.length, -1)
}

function escaped(json: string): string {
  // eslint-disable-next-line no-control-regex -- ASCII is meant
  return json.replace(/[^\x00-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function naming(owner: string, row: number, text: () => string): string {
  try {
    return text()
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new TypeError(`[${owner}] row ${row}: ${error.message}`, { cause: error })
  }
}
