import { parseExactJson, isInexact } from '../files/json'
import { LONGEST_TEXT, readTextFile, textPieces } from '../files/text'
import { type Row } from './dataset'

/**
 * Rows of a JSON file: one object a line, or one array of objects. Integers beyond 2^53 become bigints; NaN and Infinity,
 * as Python writes them, are numbers.
 *
 * @throws Error naming the file, the line or row, and what was expected
 */
export async function readJson(path: string, signal?: AbortSignal): Promise<Row[]> {
  const rows: Row[] = []
  let line = 0
  for await (const { lines, plain } of linesOf(path, signal)) {
    for (const text of lines) {
      line++
      const first = firstCode(text)
      if (Number.isNaN(first)) continue
      if (rows.length === 0 && first === 0x5b) return readArray(path, signal)
      rows.push(checkedRow(parseLine(text, plain, path, line), `${path}:${line}`))
    }
  }
  return rows
}

/** Rows `{ text }` of a text file, one a line. */
export async function readTextRows(path: string, signal?: AbortSignal): Promise<Row[]> {
  const rows: Row[] = []
  for await (const { lines } of linesOf(path, signal)) for (const text of lines) rows.push({ text })
  return rows
}

function parseLine(text: string, plain: boolean, path: string, line: number): unknown {
  // 500 levels of nesting need 500 brackets.
  if (plain && text.length < 1000) {
    try {
      return JSON.parse(text)
    } catch {
      // Python's NaN, or a fault to name.
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

/** Code of the first character that is no JSON white space; NaN for a blank line. */
function firstCode(text: string): number {
  for (let i = 0; ; i++) {
    const code = text.charCodeAt(i)
    if (code !== 0x20 && code !== 0x09 && code !== 0x0d) return code
  }
}

/**
 * Lines of a file without their ends, many at a time; `plain` says that none of them has a number that JSON.parse would
 * change. Not `readline`: it also cuts at U+2028 and U+2029, which JSON allows inside a string.
 */
async function* linesOf(
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ lines: string[]; plain: boolean }> {
  // Pieces of the line under way: joined once at its end, so that one very long line stays linear.
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
