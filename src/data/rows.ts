import { isFloat, markFloats } from '../files/json'

/** One row: column name to value. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a column's type is known only when the file is read
export type Row = Record<string, any>

/** Sets a column of any name; plain assignment to `__proto__` would change the object's prototype instead. */
export function setColumn(row: Row, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(row, name, { value, enumerable: true, writable: true, configurable: true })
  else row[name] = value
}

/** A new row with these columns of another; missing ones are null. Numbers marked as floats stay floats. */
export function pickColumns(row: Row, names: readonly string[], named: (name: string) => string = same): Row {
  const picked: Row = {}
  const floats = new Set<string>()
  for (const name of names) {
    const value: unknown = Object.hasOwn(row, name) ? row[name] : null
    setColumn(picked, named(name), value ?? null)
    if (Number.isInteger(value) && isFloat(row, name)) floats.add(named(name))
  }
  if (floats.size > 0) markFloats(picked, floats)
  return picked
}

const same = (name: string): string => name

/** `row` with the columns of `added`, like Python's `{**row, **added}`. */
export function withColumns(row: Row, added: Row): Row {
  const merged: Row = {}
  const floats = new Set<string>()
  for (const name of new Set([...Object.keys(row), ...Object.keys(added)])) {
    const from = Object.hasOwn(added, name) ? added : row
    const value: unknown = from[name]
    setColumn(merged, name, value)
    if (Number.isInteger(value) && isFloat(from, name)) floats.add(name)
  }
  if (floats.size > 0) markFloats(merged, floats)
  return merged
}

/** Many rows as one object of columns, the argument of a batched function. */
export function columnsOf(rows: readonly Row[], names: readonly string[]): Record<string, unknown[]> {
  const columns: Record<string, unknown[]> = {}
  for (const name of names) {
    const values = rows.map((row) => row[name] as unknown)
    const floats = rows.flatMap((row, i) => (Number.isInteger(row[name]) && isFloat(row, name) ? [i] : []))
    if (floats.length > 0) markFloats(values, new Set(floats))
    setColumn(columns, name, values)
  }
  return columns
}

/** Columns of equal length as rows. @throws Error naming a column with another length. */
export function rowsOf(owner: string, columns: Readonly<Record<string, ArrayLike<unknown>>>): Row[] {
  const names = Object.keys(columns)
  const lengths = names.map((name) => columns[name]?.length ?? 0)
  const odd = names.find((_, i) => lengths[i] !== lengths[0])
  if (odd !== undefined)
    throw new Error(
      `[${owner}] column '${odd}' has ${columns[odd]?.length} rows, '${names[0]}' has ${lengths[0]}`,
    )
  return Array.from({ length: lengths[0] ?? 0 }, (_, i) => {
    const row: Row = {}
    const floats = new Set<string>()
    for (const name of names) {
      setColumn(row, name, columns[name]![i])
      if (Number.isInteger(row[name]) && isFloat(columns[name]!, i)) floats.add(name)
    }
    if (floats.size > 0) markFloats(row, floats)
    return row
  })
}
