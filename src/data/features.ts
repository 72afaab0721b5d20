import { isFloat } from '../files/json'
import type { Row } from './rows'

/** Type of a column, with the names that `datasets` prints. 'mixed': there is no common type of the values. */
export type ColumnType =
  | { kind: 'null' | 'string' | 'int64' | 'float64' | 'bool' | 'timestamp' | 'binary' | 'mixed' }
  | { kind: 'list'; of: ColumnType }
  | { kind: 'struct'; fields: Readonly<Record<string, ColumnType>> }

type Kind = ColumnType['kind']
const plain = (kind: Exclude<Kind, 'list' | 'struct'>): ColumnType => ({ kind })
const NULL = plain('null')

/** Type of each column, from all of these rows. */
export function columnTypes(rows: readonly Row[], names: readonly string[]): Record<string, ColumnType> {
  const types = names.map((name): [string, ColumnType] => [
    name,
    rows.reduce<ColumnType>((type, row) => mergeTypes(type, typeAt(row, name)), NULL),
  ])
  return Object.fromEntries(types)
}

/** Type of `container[key]`. */
function typeAt(container: Row | ArrayLike<unknown>, key: string | number): ColumnType {
  const value = (container as Record<string | number, unknown>)[key]
  if (value === null || value === undefined) return NULL
  if (typeof value === 'string') return STRING
  if (typeof value === 'boolean') return BOOL
  if (typeof value === 'bigint') return INT
  if (typeof value === 'number') return isFloat(container, key) ? FLOAT : INT
  if (value instanceof Date) return plain('timestamp')
  if (value instanceof Uint8Array) return plain('binary')
  if (ArrayBuffer.isView(value))
    return {
      kind: 'list',
      of: value instanceof Float32Array || value instanceof Float64Array ? FLOAT : INT,
    }
  if (Array.isArray(value)) {
    let of = NULL
    for (let i = 0; i < value.length; i++) of = mergeTypes(of, typeAt(value, i))
    return { kind: 'list', of }
  }
  if (typeof value !== 'object') return MIXED
  return {
    kind: 'struct',
    fields: Object.fromEntries(Object.keys(value).map((name) => [name, typeAt(value, name)])),
  }
}

const STRING = plain('string')
const BOOL = plain('bool')
const INT = plain('int64')
const FLOAT = plain('float64')
const MIXED = plain('mixed')

/** The common type of both: a struct has the fields of both; 'mixed' if there is none. */
export function mergeTypes(a: ColumnType, b: ColumnType): ColumnType {
  if (a === b || b.kind === 'null') return a
  if (a.kind === 'null') return b
  if (a.kind === 'list' && b.kind === 'list') {
    const of = mergeTypes(a.of, b.of)
    return of === a.of ? a : { kind: 'list', of }
  }
  if (a.kind === 'struct' && b.kind === 'struct') return mergedStruct(a.fields, b.fields, a)
  if (a.kind === b.kind) return a
  const numbers = [a, b].every(({ kind }) => kind === 'int64' || kind === 'float64')
  return numbers ? FLOAT : MIXED
}

type Fields = Readonly<Record<string, ColumnType>>

/** Returns `whole`, the struct of `a`, if it already contains both. */
function mergedStruct(a: Fields, b: Fields, whole: ColumnType): ColumnType {
  let changed: Record<string, ColumnType> | undefined
  for (const name of Object.keys(b)) {
    const type = Object.hasOwn(a, name) ? mergeTypes(a[name]!, b[name]!) : b[name]!
    if (type !== a[name]) (changed ??= { ...a })[name] = type
  }
  return changed ? { kind: 'struct', fields: changed } : whole
}

/** The type as `datasets` prints it: string, int64, list<...>, struct<name: type, ...>. */
export function typeText(type: ColumnType): string {
  if (type.kind === 'list') return `list<${typeText(type.of)}>`
  if (type.kind !== 'struct') return type.kind
  const fields = Object.entries(type.fields).map(([name, field]) => `${name}: ${typeText(field)}`)
  return `struct<${fields.join(', ')}>`
}

/** The type as in the JSON of `datasets.Features`. */
export function featureOf(type: ColumnType): unknown {
  if (type.kind === 'list') return { feature: featureOf(type.of), _type: 'List' }
  if (type.kind === 'struct')
    return Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, featureOf(field)]))
  return { dtype: type.kind === 'timestamp' ? 'timestamp[ms]' : type.kind, _type: 'Value' }
}

/**
 * Types of columns for a file format that has types.
 *
 * @throws TypeError naming the column and two rows whose values have no common type.
 */
export function writableTypes(
  owner: string,
  rows: readonly Row[],
  names: readonly string[],
): Record<string, ColumnType> {
  const types = columnTypes(rows, names)
  for (const name of names) {
    if (!hasMixed(types[name]!)) continue
    let before = NULL
    const at = rows.findIndex((row) => {
      const merged = mergeTypes(before, typeAt(row, name))
      if (hasMixed(merged)) return true
      before = merged
      return false
    })
    const found = typeText(typeAt(rows[at]!, name))
    throw new TypeError(
      `[${owner}] column '${name}': row ${at} is ${found}` +
        (before.kind === 'null' ? '' : `, the rows before are ${typeText(before)}`) +
        '; a column has one type',
    )
  }
  return types
}

function hasMixed(type: ColumnType): boolean {
  if (type.kind === 'list') return hasMixed(type.of)
  if (type.kind === 'struct') return Object.values(type.fields).some(hasMixed)
  return type.kind === 'mixed'
}
