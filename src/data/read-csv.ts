import { setImmediate } from 'node:timers/promises'

import { markFloats } from '../files/json'
import { textPieces } from '../files/text'
import { logger } from '../logging'
import { CsvParser } from './csv-parser'
import { type Row, setColumn } from './rows'

const INTEGER = /^[+-]?(0|[1-9]\d*)$/
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/** Number of rows that determine the column types of a streamed file. */
const FIRST_ROWS = 10_000

/**
 * The rows of a CSV file whose first line contains the column names. A column becomes numbers or booleans if
 * all its values are; an empty field is null, and so are missing fields of a short row. Unlike in pandas, words
 * such as `None` or `NA` stay text, and so do numbers with leading zeros or beyond 2^53. As in pandas, a column
 * without a name is called `Unnamed: 0`, and a second column with one name `name.1`.
 *
 * The whole file is one batch. With `streaming`, the first 10,000 rows determine the types, and the rest is
 * read in pieces.
 *
 * @param delimiter - one character between fields
 * @throws Error naming file and line when a row has more fields than the header, a quote is not closed, or
 * (streaming) a value does not have its column's type.
 */
export async function* csvBatches(
  path: string,
  delimiter: string,
  { streaming, signal }: { streaming: boolean; signal?: AbortSignal | undefined },
): AsyncGenerator<Row[]> {
  let columns: string[][] = []
  let lines: number[] = []
  let names: string[] | undefined
  let types: Conversion[] | undefined
  const parser = new CsvParser(path, delimiter, (record, line) => {
    if (names === undefined) {
      names = columnNames(path, record)
      columns = names.map(() => [])
      return
    }
    if (record.length > columns.length)
      throw new Error(
        `${path}:${line}: ${record.length} fields, but the header names ${columns.length} columns`,
      )
    for (let i = 0; i < columns.length; i++) columns[i]!.push(record[i] ?? '')
    lines.push(line)
  })
  const take = (): Row[] => {
    const found = (types ??= columns.map(conversion))
    const values = columns.map((column, c) => converted(column, found[c]!, `${path}:`, lines, names![c]!))
    const rows = assemble(names ?? [], values, lines.length, found)
    columns = columns.map(() => [])
    lines = []
    return rows
  }
  for await (const piece of textPieces(path, signal)) {
    parser.add(piece)
    if (streaming && (types ? lines.length > 0 : lines.length >= FIRST_ROWS)) yield take()
    await setImmediate()
  }
  parser.end()
  yield take()
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

function assemble(
  names: readonly string[],
  columns: readonly unknown[][],
  count: number,
  types: readonly Conversion[],
): Row[] {
  const floats = new Set(names.filter((_, c) => types[c]!.floats))
  const rows: Row[] = []
  for (let r = 0; r < count; r++) {
    const row: Row = {}
    for (let c = 0; c < names.length; c++) setColumn(row, names[c]!, columns[c]![r])
    if (floats.size > 0) markFloats(row, floats)
    rows.push(row)
  }
  return rows
}

/** How to convert a column's text to values, and which text is valid. */
interface Conversion {
  fits: (value: string) => boolean
  convert: (value: string) => unknown
  name: string
  floats?: boolean
}

function converted(
  values: readonly string[],
  { fits, convert, name }: Conversion,
  at: string,
  lines: readonly number[],
  column: string,
): unknown[] {
  return values.map((value, i) => {
    if (value === '') return null
    if (fits(value)) return convert(value)
    throw new Error(
      `${at}${lines[i]}: column '${column}' holds ${name} in the first ${FIRST_ROWS} rows, '${value}' is none; ` +
        'load the file without streaming, or write it as JSON lines',
    )
  })
}

const isNumber = (value: string): boolean =>
  DECIMAL.test(value) && !/^[+-]?0\d/.test(value) && Math.abs(Number(value)) <= Number.MAX_SAFE_INTEGER

const text: Conversion = { name: 'text', fits: () => true, convert: (value) => value }
const conversions: readonly Conversion[] = [
  { name: 'numbers', fits: isNumber, convert: Number },
  {
    name: 'booleans',
    fits: (value) => /^(true|false)$/i.test(value),
    convert: (value) => value.toLowerCase() === 'true',
  },
]

function conversion(values: readonly string[]): Conversion {
  const given = values.filter((value) => value !== '')
  if (given.length === 0) return text
  const found = conversions.find(({ fits }) => given.every(fits)) ?? text
  // As in pandas: one number with a decimal point makes all of them floats.
  return found.name === 'numbers' && !given.every((value) => INTEGER.test(value))
    ? { ...found, floats: true }
    : found
}
