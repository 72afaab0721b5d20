/** Type of a value as `datasets` prints it: string, int64, float64, bool, null, list<...>, struct<name: type, ...>. */
export function dtypeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'string') return 'string'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int64'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  if (value instanceof Date) return 'timestamp'
  if (value instanceof Uint8Array) return 'binary'
  if (Array.isArray(value)) return `list<${value.map(dtypeOf).reduce(mergeDtypes, 'null')}>`
  if (ArrayBuffer.isView(value))
    return `list<${value instanceof Float32Array || value instanceof Float64Array ? 'float64' : 'int64'}>`
  const fields = Object.entries(value).map(([name, field]) => `${name}: ${dtypeOf(field)}`)
  return `struct<${fields.join(', ')}>`
}

/** The type that holds both; 'mixed' when there is none. */
export function mergeDtypes(a: string, b: string): string {
  if (a === b || b === 'null') return a
  if (a === 'null') return b
  if ([a, b].every((t) => t === 'int64' || t === 'float64')) return 'float64'
  const [listA, listB] = [elementOf(a), elementOf(b)]
  if (listA !== undefined && listB !== undefined) return `list<${mergeDtypes(listA, listB)}>`
  return 'mixed'
}

function elementOf(dtype: string): string | undefined {
  return dtype.startsWith('list<') ? dtype.slice(5, -1) : undefined
}
