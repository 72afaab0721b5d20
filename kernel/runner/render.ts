import { inspect } from 'node:util'
import type { Bundle } from './messages'

const maxRows = 50
const maxColumns = 30

/** The forms of a cell's last value. */
export function render(value: unknown): Bundle {
  const bundle: Bundle = { 'text/plain': plain(value) }
  if (value instanceof Uint8Array) {
    const mime = imageType(value)
    if (mime) bundle[mime] = Buffer.from(value).toString('base64')
  } else if (isRecords(value)) {
    bundle['text/html'] = table(value)
  }
  return bundle
}

/** The value as `util.inspect` shows it, also when its own inspection throws. */
export function plain(value: unknown): string {
  try {
    return inspect(value, { depth: 4, maxArrayLength: 100, maxStringLength: 10_000, breakLength: 100 })
  } catch (error) {
    return `[value whose inspection throws: ${String(error)}]`
  }
}

function imageType(bytes: Uint8Array): string | undefined {
  const starts = (...signature: number[]): boolean => signature.every((byte, i) => bytes[i] === byte)
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'image/png'
  if (starts(0xff, 0xd8, 0xff)) return 'image/jpeg'
  if (starts(0x47, 0x49, 0x46, 0x38)) return 'image/gif'
  if (starts(0x52, 0x49, 0x46, 0x46) && Buffer.from(bytes.subarray(8, 12)).toString() === 'WEBP')
    return 'image/webp'
  return undefined
}

function isRecords(value: unknown): value is Record<string, unknown>[] {
  return Array.isArray(value) && value.length > 0 && value.slice(0, maxRows).every(isRecord)
}

function isRecord(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && Object.keys(value).length > 0
}

function table(rows: readonly Record<string, unknown>[]): string {
  const shown = rows.slice(0, maxRows)
  const all = [...new Set(shown.flatMap((row) => Object.keys(row)))]
  const columns = all.slice(0, maxColumns)
  const cells = (row: Record<string, unknown>): string =>
    columns.map((column) => `<td>${escape(cell(row[column]))}</td>`).join('')
  const head = columns.map((column) => `<th>${escape(column)}</th>`).join('')
  const body = shown.map((row, i) => `<tr><th>${i}</th>${cells(row)}</tr>`).join('')
  const more = [
    rows.length > shown.length ? `${rows.length} rows, ${shown.length} shown` : '',
    all.length > columns.length ? `${all.length} columns, ${columns.length} shown` : '',
  ].filter((text) => text !== '')
  const note = more.length > 0 ? `<p>${more.join('; ')}</p>` : ''
  return `<table><thead><tr><th></th>${head}</tr></thead><tbody>${body}</tbody></table>${note}`
}

function cell(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value.slice(0, 500) : plain(value).slice(0, 500)
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
