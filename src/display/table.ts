import { escapeHtml, formatNumber } from './format'
import { detectOutput, type MimeBundle, type Output } from './output'
import { checkNames } from '../options/parse'

export interface TableOptions {
  /** Columns and their order. Default: every key of the rows, in order of appearance. */
  columns?: readonly string[]
  /** Line above the table. */
  title?: string
  /** Rows shown before `... n more rows`. Default 50. */
  max_rows?: number
  /** Characters of a cell in the text form; longer texts end with `…`. Default 60. */
  max_width?: number
}

export type TableRow = Readonly<Record<string, unknown>>

/** Shows records as a table: HTML in a notebook, aligned columns elsewhere. */
export function show_table(
  rows: readonly TableRow[],
  options: TableOptions & { output?: Output } = {},
): void {
  const names = ['columns', 'title', 'max_rows', 'max_width', 'output'] as const
  checkNames<TableOptions & { output?: Output }>('show_table', options, names)
  const { output = detectOutput(), ...table } = options
  output.show(tableBundle(rows, table))
}

/** The HTML and text forms of a table. Numbers are aligned right; cells are escaped. */
export function tableBundle(rows: readonly TableRow[], options: TableOptions = {}): MimeBundle {
  const columns = options.columns ?? [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const shown = rows.slice(0, options.max_rows ?? 50)
  const rest = rows.length - shown.length
  const cells = shown.map((row) => columns.map((column) => cellText(row[column])))
  const numeric = columns.map((column) => {
    const values = shown.map((row) => row[column]).filter((value) => value !== undefined && value !== null)
    return (
      values.length > 0 && values.every((value) => typeof value === 'number' || typeof value === 'bigint')
    )
  })
  const more = rest > 0 ? `... ${rest} more ${rest === 1 ? 'row' : 'rows'}` : undefined
  const title = options.title
  return {
    'text/html': htmlTable(columns, cells, numeric, title, more),
    'text/plain': textTable(columns, cells, numeric, options.max_width ?? 60, title, more),
  }
}

type Extra = string | undefined

/** Characters from which a cell counts as long. */
const LONG = 60

function htmlTable(
  columns: readonly string[],
  cells: string[][],
  numeric: boolean[],
  title: Extra,
  more: Extra,
): string {
  // Columns of long texts share the width: by itself a browser gives most of it to the longest.
  const long = columns.map((_, i) => cells.some((texts) => texts[i]!.length > LONG))
  const shared = long.filter(Boolean).length
  const share = Math.floor((100 - 12 * (columns.length - shared)) / shared)
  const isShared = shared > 1 && share >= 15
  const style = (i: number): string =>
    `text-align:${numeric[i] ? 'right' : 'left'};vertical-align:top;white-space:pre-wrap` +
    (isShared && long[i] ? `;width:${share}%` : '')
  const row = (tag: string, texts: readonly string[]): string =>
    `<tr>${texts.map((text, i) => `<${tag} style="${style(i)}">${escapeHtml(text)}</${tag}>`).join('')}</tr>`
  const caption = title
    ? `<caption style="text-align:left;font-weight:600">${escapeHtml(title)}</caption>`
    : ''
  const body = cells.map((texts) => row('td', texts)).join('')
  return `<table${isShared ? ' style="width:100%"' : ''}>${caption}<thead>${row('th', columns)}</thead><tbody>${body}</tbody></table>${more ? `<p>${more}</p>` : ''}`
}

function textTable(
  columns: readonly string[],
  cells: string[][],
  numeric: boolean[],
  maxWidth: number,
  title: Extra,
  more: Extra,
): string {
  const cut = (text: string): string => {
    const line = text.replace(/\r?\n/g, '\\n').replace(/\t/g, '\\t')
    const characters = [...line]
    return characters.length > maxWidth ? characters.slice(0, maxWidth - 1).join('') + '…' : line
  }
  const lines = [columns, ...cells].map((texts) => texts.map(cut))
  const widths = columns.map((_, i) => Math.max(...lines.map((texts) => width(texts[i]!))))
  const pad = (text: string, i: number): string => {
    const space = ' '.repeat(widths[i]! - width(text))
    return numeric[i] ? space + text : text + space
  }
  const print = (texts: string[]): string => texts.map(pad).join('  ').trimEnd()
  const rule = widths.map((w) => '-'.repeat(w)).join('  ')
  const [head, ...body] = lines.map(print)
  return [title, head, rule, ...body, more].filter((line) => line !== undefined).join('\n')
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'number') return formatNumber(value)
  if (typeof value === 'object') {
    return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner))
  }
  return String(value as string | bigint | boolean)
}

/** Width in a terminal: wide East Asian characters and emoji take two columns, combining marks none. */
function width(text: string): number {
  let columns = 0
  for (const character of text) {
    if (/\p{Mark}|\u200d/u.test(character)) continue
    columns +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]|\p{Extended_Pictographic}/u.test(
        character,
      )
        ? 2
        : 1
  }
  return columns
}
