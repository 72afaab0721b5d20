import { parseExactJson } from '../files/json'
import { LONGEST_TEXT, readTextFile, textPieces } from '../files/text'
import { type Row, rowsOf } from './rows'

/**
 * The rows of a JSON file in chunks: one object per line, or one array of objects, which is read as a whole.
 * Integers beyond 2^53 become bigints; NaN and Infinity, as Python writes them, are numbers.
 *
 * @throws Error naming the file, the line or row, and what was expected.
 */
export async function* jsonBatches(path: string, signal?: AbortSignal): AsyncGenerator<Row[]> {
  let line = 0
  let isFirst = true
  for await (const lines of linesOf(path, signal)) {
    const rows: Row[] = []
    for (const text of lines) {
      line++
      const first = firstCode(text)
      if (Number.isNaN(first)) continue
      if (isFirst && first === 0x5b) {
        yield await readArray(path, signal)
        return
      }
      isFirst = false
      const where = `${path}:${line}`
      rows.push(checkedRow(parseExactJson(where, text), where))
    }
    yield rows
  }
}

/**
 * The rows under one key of a JSON file that is one object: a list of objects, or an object of columns.
 *
 * @throws Error naming the file and its keys.
 */
export async function readJsonField(path: string, field: string, signal?: AbortSignal): Promise<Row[]> {
  const whole = parseExactJson(path, await readTextFile(path, signal))
  if (typeof whole !== 'object' || whole === null || Array.isArray(whole))
    throw new Error(`${path}: field '${field}': the file is no JSON object`)
  const found: unknown = Object.hasOwn(whole, field) ? (whole as Row)[field] : undefined
  if (Array.isArray(found)) return found.map((row, i) => checkedRow(row, `${path}: ${field}: row ${i}`))
  if (typeof found === 'object' && found !== null && Object.values(found).every(Array.isArray))
    return rowsOf(`${path}: ${field}`, found as Record<string, unknown[]>)
  throw new Error(
    found === undefined
      ? `${path}: no field '${field}'. Its fields: ${Object.keys(whole).join(', ') || 'none'}`
      : `${path}: field '${field}' needs a list of objects, or an object of lists`,
  )
}

/** The rows `{ text }` of a text file, one per line, in chunks. */
export async function* textBatches(path: string, signal?: AbortSignal): AsyncGenerator<Row[]> {
  for await (const lines of linesOf(path, signal)) yield lines.map((text) => ({ text }))
}

async function readArray(path: string, signal: AbortSignal | undefined): Promise<Row[]> {
  const rows = parseExactJson(path, await readTextFile(path, signal)) as unknown[]
  return rows.map((row, i) => checkedRow(row, `${path}: row ${i}`))
}

function checkedRow(row: unknown, where: string): Row {
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row
  throw new Error(
    `${where}: a row is ${Array.isArray(row) ? 'an array' : row === null ? 'null' : `a ${typeof row}`}, needs an object`,
  )
}

/** Code of the first character that is not JSON white space; NaN for a blank line. */
function firstCode(text: string): number {
  for (let i = 0; ; i++) {
    const code = text.charCodeAt(i)
    if (code !== 0x20 && code !== 0x09 && code !== 0x0d) return code
  }
}

/**
 * The lines of a file without their ends, many at a time. `readline` cannot be used: it also splits at U+2028 and
 * U+2029, which JSON allows in strings.
 */
async function* linesOf(path: string, signal: AbortSignal | undefined): AsyncGenerator<string[]> {
  // Pieces of the current line, joined once at its end, so that a very long line takes linear time.
  let pieces: string[] = []
  let length = 0
  for await (const piece of textPieces(path, signal)) {
    const lines = split(piece)
    const last = lines.pop()!
    if (lines.length > 0) {
      lines[0] = endless(pieces.join('') + lines[0]!)
      yield lines
      pieces = []
      length = 0
    }
    pieces.push(last)
    length += last.length
    if (length > LONGEST_TEXT) throw new Error(`${path}: a line of more than ${LONGEST_TEXT} characters`)
  }
  const last = pieces.join('')
  if (last !== '') yield [endless(last)]
}

function split(text: string): string[] {
  const lines = text.split('\n')
  // The last one may go on in the next piece.
  if (text.includes('\r')) for (let i = 0; i < lines.length - 1; i++) lines[i] = endless(lines[i]!)
  return lines
}

/** Without the first half of a line's end by `\r\n`. */
const endless = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line)
