import { setImmediate } from 'node:timers/promises'

import { textPieces } from '../files/text'
import { logger } from '../logging'
import { CsvParser } from './csv-parser'
import { type Row } from './dataset'

const INTEGER = /^[+-]?(0|[1-9]\d*)$/
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/**
 * Rows of a CSV file whose first line names the columns. A column becomes numbers or booleans when all its values are;
 * an empty field is null, and so are the fields that a short row lacks. Unlike pandas, words such as `None` or `NA` stay
 * text, and so do numbers with leading zeros or beyond 2^53. As in pandas, a column without a name is called
 * `Unnamed: 0`, and the second column of one name `name.1`.
 *
 * @param delimiter - one character between fields
 * @throws Error naming file and line when a row has more fields than the header, or a quote does not close
 */
export async function readCsv(path: string, delimiter: string, signal?: AbortSignal): Promise<Row[]> {
  const columns: string[][] = []
  let names: string[] | undefined
  let rows = 0
  const parser = new CsvParser(path, delimiter, (record, line) => {
    if (names === undefined) {
      names = columnNames(path, record)
      for (let i = 0; i < names.length; i++) columns.push([])
      return
    }
    if (record.length > columns.length)
      throw new Error(
        `${path}:${line}: ${record.length} fields, but the header names ${columns.length} columns`,
      )
    for (let i = 0; i < columns.length; i++) columns[i]!.push(record[i] ?? '')
    rows++
  })
  for await (const piece of textPieces(path, signal)) {
    parser.add(piece)
    await setImmediate()
  }
  parser.end()
  return assemble(names ?? [], columns.map(converted), rows)
}

function columnNames(path: string, header: readonly string[]): string[] {
  const names = new Set<string>()
  const given = new Set(header)
  for (const [i, field] of header.entries()) {
    const name = field === '' ? `Unnamed: ${i}` : field
    let free = name
    for (let n = 1; names.has(free) || (free !== name && given.has(free)); n++) free = `${name}.${n}`
    if (free !== name)
      logger.warning(`${path}: column ${i + 1} has the name '${name}' too; it is '${free}' here`)
    names.add(free)
  }
  return [...names]
}

function assemble(names: readonly string[], columns: readonly unknown[][], count: number): Row[] {
  const rows: Row[] = []
  for (let r = 0; r < count; r++) {
    const row: Row = {}
    for (let c = 0; c < names.length; c++) setColumn(row, names[c]!, columns[c]![r])
    rows.push(row)
  }
  return rows
}

/** Sets a column of any name; an assignment to `__proto__` would change the object's prototype instead. */
export function setColumn(row: Row, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(row, name, { value, enumerable: true, writable: true, configurable: true })
  else row[name] = value
}

function converted(values: string[]): unknown[] {
  const convert = conversion(values)
  return values.map((value) => (value === '' ? null : convert(value)))
}

function conversion(values: readonly string[]): (value: string) => unknown {
  const every = (test: (value: string) => boolean): boolean =>
    values.every((value) => value === '' || test(value))
  if (every((v) => v === '')) return (value) => value
  if (every((v) => INTEGER.test(v) && Number.isSafeInteger(Number(v)))) return Number
  if (every((v) => DECIMAL.test(v) && !/^[+-]?0\d/.test(v) && Math.abs(Number(v)) <= Number.MAX_SAFE_INTEGER))
    return Number
  if (every((v) => /^(true|false)$/i.test(v))) return (value) => value.toLowerCase() === 'true'
  return (value) => value
}
