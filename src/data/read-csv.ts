import { createReadStream } from 'node:fs'
import { extname } from 'node:path'
import { parse } from 'papaparse'

import { type Row } from './dataset'

const INTEGER = /^[+-]?(0|[1-9]\d*)$/
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/**
 * Rows of a CSV (or, by its ending, TSV) file whose first line names the columns. A column becomes numbers or booleans
 * when all its values are; an empty field is null. Unlike pandas, words such as `None` or `NA` stay text, and so do
 * numbers with leading zeros or beyond 2^53.
 *
 * @throws Error naming file and row when a row has more fields than the header, or a quote does not close
 */
export async function readCsv(path: string, signal?: AbortSignal): Promise<Row[]> {
  const { rows, columns } = await parseFile(path, signal)
  for (const name of columns) {
    const convert = conversion(
      rows.map((row) => row[name]).filter((value) => value !== '' && value !== undefined),
    )
    for (const row of rows)
      row[name] = row[name] === '' || row[name] === undefined ? null : convert(String(row[name]))
  }
  return rows
}

function parseFile(
  path: string,
  signal: AbortSignal | undefined,
): Promise<{ rows: Row[]; columns: string[] }> {
  return new Promise((resolve, reject) => {
    const rows: Row[] = []
    let columns: string[] = []
    const stream = createReadStream(path, { ...(signal ? { signal } : {}) })
    // An open error reaches papaparse as a plain event; the stream's own listener keeps its code.
    stream.on('error', reject)
    parse<Row>(stream, {
      header: true,
      delimiter: extname(path).toLowerCase() === '.tsv' ? '\t' : ',',
      skipEmptyLines: true,
      chunk: ({ data, errors, meta }) => {
        // A row with fewer fields than the header is filled with nulls, as pandas does.
        const fault = errors.find((e) => e.code !== 'TooFewFields')
        if (fault) {
          stream.destroy()
          reject(new Error(`${path}: row ${(fault.row ?? 0) + 1} after the header: ${fault.message}`))
        }
        columns = meta.fields ?? columns
        for (const row of data) rows.push(row)
      },
      complete: () => resolve({ rows, columns }),
      error: reject,
    })
  })
}

function conversion(values: string[]): (value: string) => unknown {
  if (values.length === 0) return (value) => value
  if (values.every((v) => INTEGER.test(v) && Number.isSafeInteger(Number(v)))) return Number
  if (
    values.every(
      (v) => DECIMAL.test(v) && !/^[+-]?0\d/.test(v) && Math.abs(Number(v)) <= Number.MAX_SAFE_INTEGER,
    )
  )
    return Number
  if (values.every((v) => /^(true|false)$/i.test(v))) return (value) => value.toLowerCase() === 'true'
  return (value) => value
}
