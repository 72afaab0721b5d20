import type { ColumnType } from './features'

/**
 * A value in the form that the writers of Arrow and Parquet need: integers as bigints, null for what is missing
 * in a struct.
 *
 * @throws RangeError for an integer beyond 64 bits.
 */
export function typedValue(value: unknown, type: ColumnType): unknown {
  if (value === null || value === undefined) return null
  if (type.kind === 'int64') return int64(value as number | bigint)
  if (type.kind === 'float64') return Number(value)
  if (type.kind === 'list')
    return Array.from(value as ArrayLike<unknown>, (item) => typedValue(item, type.of))
  if (type.kind !== 'struct') return value
  const fields = Object.entries(type.fields)
  return Object.fromEntries(
    fields.map(([name, of]) => {
      const found: unknown = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : null
      return [name, typedValue(found, of)]
    }),
  )
}

function int64(value: number | bigint): bigint {
  const whole = BigInt(value)
  if (BigInt.asIntN(64, whole) === whole) return whole
  throw new RangeError(`${whole} does not fit in 64 bits; make it text with map`)
}
