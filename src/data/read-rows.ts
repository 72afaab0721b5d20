import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'

import { codeOf, messageOf } from '../files/atomic'
import { parseJson } from '../files/json'
import { unknownNameError } from '../options/nearest'
import { readCsv } from './read-csv'
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

/** The format of a data file by its name, or undefined. */
export function formatOf(path: string): DataFormat | undefined {
  return formatByExtension[extname(path).toLowerCase()]
}

/**
 * Rows of one data file.
 *
 * @throws Error naming the file (and line or row) when it is missing or not what its format says
 */
export async function readRows(path: string, format: DataFormat, signal?: AbortSignal): Promise<Row[]> {
  try {
    if (format === 'parquet') return await readParquet(path, signal)
    if (format === 'csv') return await readCsv(path, signal)
    if (format === 'text') return await readText(path, signal)
    return await readJson(path, signal)
  } catch (error) {
    throw codeOf(error) === 'ENOENT' ? new Error(`${path}: no such file`, { cause: error }) : error
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

/** One row per line, or one JSON array of rows. */
async function readJson(path: string, signal: AbortSignal | undefined): Promise<Row[]> {
  const rows: Row[] = []
  let line = 0
  for await (const text of linesOf(path, signal)) {
    line++
    if (text.trim() === '') continue
    if (rows.length === 0 && text.trimStart().startsWith('[')) return readJsonArray(path, signal)
    let row: unknown
    try {
      row = JSON.parse(text)
    } catch (error) {
      throw new Error(
        `${path}:${line}: not valid JSON (one object a line, or one array of objects): ${messageOf(error)}`,
        { cause: error },
      )
    }
    rows.push(checkedRow(row, `${path}:${line}`))
  }
  return rows
}

async function readJsonArray(path: string, signal: AbortSignal | undefined): Promise<Row[]> {
  const text = await readFile(path, { encoding: 'utf8', ...(signal ? { signal } : {}) })
  const rows = parseJson(path, text.replace(/^\uFEFF/, '')) as unknown[]
  return rows.map((row, i) => checkedRow(row, `${path}: row ${i}`))
}

function checkedRow(row: unknown, where: string): Row {
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row
  throw new Error(
    `${where}: a row is ${Array.isArray(row) ? 'an array' : row === null ? 'null' : `a ${typeof row}`}, needs an object`,
  )
}

async function readText(path: string, signal: AbortSignal | undefined): Promise<Row[]> {
  const rows: Row[] = []
  for await (const text of linesOf(path, signal)) rows.push({ text })
  return rows
}

/**
 * Lines of a UTF-8 file, without their ends. Not `readline`: it also cuts at U+2028 and U+2029, which JSON allows
 * inside a string.
 */
async function* linesOf(path: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  const stream = createReadStream(path, {
    encoding: 'utf8',
    highWaterMark: 2 ** 18,
    ...(signal ? { signal } : {}),
  })
  const plain = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line)
  // Pieces of the line under way: joined once at its end, so that one very long line stays linear.
  let pieces: string[] = []
  let first = true
  for await (const chunk of stream as AsyncIterable<string>) {
    const [head = '', ...rest] = (first ? chunk.replace(/^\uFEFF/, '') : chunk).split('\n')
    first = false
    pieces.push(head)
    for (const next of rest) {
      yield plain(pieces.join(''))
      pieces = [next]
    }
  }
  const last = plain(pieces.join(''))
  if (last !== '') yield last
}
