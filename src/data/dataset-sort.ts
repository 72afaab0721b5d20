import type { Row } from './rows'

/** One column to sort by. */
export interface SortKey {
  name: string
  reverse: boolean
}

/**
 * The order of rows by these columns, the first being the most significant; equal rows keep their order. As in
 * Arrow: text is sorted by its UTF-8 bytes, false before true, and NaN and null are last (or first), whatever
 * the direction.
 *
 * @throws TypeError naming row and column of a value that cannot be ordered, or has another type than those
 * before it.
 */
export function sortedOrder(
  rows: readonly Row[],
  keys: readonly SortKey[],
  nulls: 'at_start' | 'at_end',
): number[] {
  for (const { name } of keys) checkComparable(rows, name)
  const away = nulls === 'at_end' ? 1 : -1
  const compareBy = ({ name, reverse }: SortKey): ((a: Row, b: Row) => number) => {
    const sign = reverse ? -1 : 1
    return (a, b) => {
      const [x, y] = [a[name] as unknown, b[name] as unknown]
      const [restX, restY] = [absence(x), absence(y)]
      if (restX > 0 || restY > 0) return (restX - restY) * away
      return compared(x, y) * sign
    }
  }
  const comparisons = keys.map(compareBy)
  return rows
    .map((_, i) => i)
    .sort((i, j) => {
      for (const compare of comparisons) {
        const result = compare(rows[i]!, rows[j]!)
        if (result !== 0) return result
      }
      return i - j
    })
}

/** 2 for null, 1 for NaN, 0 for values that can be ordered. */
function absence(value: unknown): number {
  if (value === null || value === undefined) return 2
  return Number.isNaN(value) ? 1 : 0
}

function compared(x: unknown, y: unknown): number {
  if (typeof x === 'string') return comparedText(x, y as string)
  const [a, b] = [x as number, y as number]
  return a < b ? -1 : a > b ? 1 : 0
}

/** Order of the UTF-8 bytes, which is that of the code points; `<` would compare UTF-16 units. */
function comparedText(a: string, b: string): number {
  const most = Math.min(a.length, b.length)
  for (let i = 0; i < most; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x === y) continue
    const [highX, highY] = [x >= 0xd800 && x < 0xe000, y >= 0xd800 && y < 0xe000]
    return highX === highY ? x - y : highX ? 1 : -1
  }
  return a.length - b.length
}

function checkComparable(rows: readonly Row[], name: string): void {
  let first: string | undefined
  for (const [i, row] of rows.entries()) {
    const value = row[name] as unknown
    if (value === null || value === undefined) continue
    const kind =
      typeof value === 'bigint'
        ? 'number'
        : value instanceof Date
          ? 'date'
          : Array.isArray(value)
            ? 'list'
            : typeof value
    first ??= kind
    if (!['string', 'number', 'boolean', 'date'].includes(kind) || kind !== first)
      throw new TypeError(
        `[Dataset.sort] column '${name}', row ${i}: a ${kind}${kind === first ? ' has no order' : `; the rows before hold ${first}s`}`,
      )
  }
}
