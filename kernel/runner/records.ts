const maxRows = 50
const maxColumns = 30
/** The most characters of one value, in HTML and in text. */
const maxCell = { html: 500, text: 40 }

type Rows = readonly Record<string, unknown>[]
type Plain = (value: unknown) => string

/** An array of plain objects, which is best shown as a table. */
export function isRecords(value: unknown): value is Record<string, unknown>[] {
  return Array.isArray(value) && value.length > 0 && value.slice(0, maxRows).every(isRecord)
}

function isRecord(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && Object.keys(value).length > 0
}

/** The records as HTML; `plain` converts values that are not text. */
export function htmlTable(rows: Rows, plain: Plain): string {
  const { columns, cells, more } = cut(rows, plain, maxCell.html)
  const head = columns.map((column) => `<th>${escape(column)}</th>`).join('')
  const body = cells
    .map((row, i) => `<tr><th>${i}</th>${row.map((text) => `<td>${escape(text)}</td>`).join('')}</tr>`)
    .join('')
  const note = more === '' ? '' : `<p>${more}</p>`
  return `<table><thead><tr><th></th>${head}</tr></thead><tbody>${body}</tbody></table>${note}`
}

/** The records as aligned columns. */
export function textTable(rows: Rows, plain: Plain): string {
  const { columns, cells, more } = cut(rows, plain, maxCell.text)
  const lines = [columns, ...cells].map((row, i) => [i === 0 ? '' : String(i - 1), ...row.map(oneLine)])
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)))
  const print = (line: string[]): string =>
    line
      .map((text, i) => text.padEnd(widths[i]!))
      .join('  ')
      .trimEnd()
  return [...lines.map(print), ...(more === '' ? [] : [more])].join('\n')
}

function cut(rows: Rows, plain: Plain, most: number): { columns: string[]; cells: string[][]; more: string } {
  const shown = rows.slice(0, maxRows)
  const all = [...new Set(shown.flatMap((row) => Object.keys(row)))]
  const columns = all.slice(0, maxColumns)
  const text = (value: unknown): string => {
    const whole = value === undefined ? '' : typeof value === 'string' ? value : plain(value)
    return whole.length > most ? `${whole.slice(0, most)}…` : whole
  }
  const more = [
    rows.length > shown.length ? `${rows.length} rows, ${shown.length} shown` : '',
    all.length > columns.length ? `${all.length} columns, ${columns.length} shown` : '',
  ]
  return {
    columns,
    cells: shown.map((row) => columns.map((column) => text(row[column]))),
    more: more.filter((part) => part !== '').join('; '),
  }
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ')

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
