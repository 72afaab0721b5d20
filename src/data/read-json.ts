import { parseExactJson, isInexact } from '../files/json'
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
  for await (const { lines, plain } of linesOf(path, signal)) {
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
      rows.push(checkedRow(parseLine(text, plain, path, line), `${path}:${line}`))
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
  for await (const { lines } of linesOf(path, signal)) yield lines.map((text) => ({ text }))
}

function parseLine(text: string, plain: boolean, path: string, line: number): unknown {
  // 500 levels of nesting need at least 500 brackets.
  if (plain && text.length < 1000) {
    try {
      return JSON.parse(text)
    } catch {
      // Python's NaN, or an error to report.
    }
  }
  return parseExactJson(`${path}:${line}`, text)
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
 * The lines of a file without their ends, many at a time; `plain`: none of them contains a number that
 * JSON.parse would change. `readline` cannot be used: it also splits at U+2028 and U+2029, which JSON allows in
 * strings.
 */
async function* linesOf(
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ lines: string[]; plain: boolean }> {
  // Pieces of the current line, joined once at its end, so that a very long line takes linear time.
  let pieces: string[] = []
  let length = 0
  for await (const piece of textPieces(path, signal)) {
    const end = piece.lastIndexOf('\n')
    if (end < 0) {
      pieces.push(piece)
      length += piece.length
      if (length > LONGEST_TEXT) throw new Error(`${path}: a line of more than ${LONGEST_TEXT} characters`)
      continue
    }
    const whole = pieces.join('') + piece.slice(0, end)
    yield { lines: split(whole), plain: !isInexact(whole) }
    pieces = [piece.slice(end + 1)]
    length = pieces[0]!.length
  }
  const last = pieces.join('')
  if (last !== '') yield { lines: split(last), plain: !isInexact(last) }
}

function split(text: string): string[] {
  const lines = text.split('\n')
  if (text.includes('\r'))
    for (const [i, line] of lines.entries()) if (line.endsWith('\r')) lines[i] = line.slice(0, -1)
  return lines
}
