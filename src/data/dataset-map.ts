import { columnsOf, pickColumns, type Row, rowsOf, withColumns } from './rows'

type AnyFunction = (row: Row, index: never) => unknown

/** The result of `map` for one row. */
export async function mapRow(
  owner: string,
  row: Row,
  kept: readonly string[],
  fn: AnyFunction,
  index: number,
): Promise<Row> {
  const result = await fn(row, index as never)
  return withColumns(pickColumns(row, kept), checkedRow(owner, result, `row ${index}`))
}

/** The result of `map` for a batch that begins at row `from`. */
export async function mapBatch(
  owner: string,
  rows: readonly Row[],
  columns: readonly string[],
  kept: readonly string[],
  fn: AnyFunction,
  from: number,
): Promise<Row[]> {
  const batch = columnsOf(rows, columns)
  const indices = rows.map((_, i) => from + i)
  const added = checkedRow(owner, await fn(batch, indices as never), `the batch from row ${from} on`)
  const result = { ...Object.fromEntries(kept.map((name) => [name, batch[name]])), ...added }
  const odd = Object.entries(result).find(
    ([, values]) => !Array.isArray(values) && !ArrayBuffer.isView(values),
  )
  if (odd)
    throw new TypeError(`[${owner}] a batched function must return arrays; '${odd[0]}' is ${typeof odd[1]}`)
  return rowsOf(owner, result as Record<string, ArrayLike<unknown>>)
}

/** For each row of a batch, whether `filter` keeps it. */
export async function filterBatch(
  owner: string,
  rows: readonly Row[],
  columns: readonly string[],
  fn: AnyFunction,
  from: number,
): Promise<readonly unknown[]> {
  const indices = rows.map((_, i) => from + i)
  const chosen = await fn(columnsOf(rows, columns), indices as never)
  if (Array.isArray(chosen) && chosen.length === rows.length) return chosen
  const found = Array.isArray(chosen) ? `${chosen.length} values` : typeof chosen
  throw new TypeError(
    `[${owner}] a batched function must return a list of booleans, one for each of ${rows.length} rows; it returned ${found}`,
  )
}

function checkedRow(owner: string, result: unknown, of: string): Row {
  if (result === null || result === undefined) return {}
  if (typeof result === 'object' && !Array.isArray(result)) return result
  throw new TypeError(
    `[${owner}] the function returned ${Array.isArray(result) ? 'a list' : `a ${typeof result}`} for ${of}, ` +
      'needs an object: column name to value',
  )
}
