import { setImmediate } from 'node:timers/promises'

import type { SchemaElement } from 'hyparquet'

import { writeFileAtomic } from '../files/atomic'
import { type ColumnType, featureOf, writableTypes } from './features'
import type { Row } from './rows'
import { typedValue } from './typed-values'

const ROW_GROUP = 10_000

/**
 * Writes rows as a Parquet file (Snappy), with the features in the metadata as `datasets` stores them. Returns
 * the number of bytes.
 *
 * @throws TypeError naming the column whose values have no common type.
 */
export async function writeParquet(
  path: string,
  rows: readonly Row[],
  columns: readonly string[],
): Promise<number> {
  const types = writableTypes('Dataset.to_parquet', rows, columns)
  const { ByteWriter, ParquetWriter } = await import('hyparquet-writer')
  const schema: SchemaElement[] = [{ name: 'schema', num_children: columns.length }]
  for (const name of columns) schema.push(...elementsOf(name, types[name]!, name))
  const bytes = new ByteWriter()
  const writer = new ParquetWriter({
    writer: bytes,
    schema,
    kvMetadata: [{ key: 'huggingface', value: featuresJson(types) }],
  })
  for (let from = 0; from < rows.length; from += ROW_GROUP) {
    const part = rows.slice(from, from + ROW_GROUP)
    const columnData = columns.map((name) => ({
      name,
      data: part.map((row) => typedValue(row[name], types[name]!)),
    }))
    await writer.write({ columnData, rowGroupSize: ROW_GROUP })
    await setImmediate()
  }
  await writer.finish()
  const whole = new Uint8Array(bytes.getBuffer())
  await writeFileAtomic(path, whole)
  return whole.byteLength
}

/** The features as `datasets` stores them in the metadata of Arrow and Parquet files. */
export function featuresJson(types: Readonly<Record<string, ColumnType>>): string {
  const features = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, featureOf(type)]))
  return JSON.stringify({ info: { features } })
}

/** The elements of Parquet's schema for a column: its own and, for lists and structs, those inside it. */
function elementsOf(name: string, type: ColumnType, column: string): SchemaElement[] {
  const optional = { name, repetition_type: 'OPTIONAL' } as const
  if (type.kind === 'list')
    return [
      { ...optional, num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      ...elementsOf('element', type.of, column),
    ]
  if (type.kind === 'struct') {
    const fields = Object.entries(type.fields)
    if (fields.length === 0)
      throw new TypeError(
        `[Dataset.to_parquet] column '${column}': an object without keys has no form in Parquet`,
      )
    return [
      { ...optional, num_children: fields.length },
      ...fields.flatMap(([field, of]) => elementsOf(field, of, column)),
    ]
  }
  const leaf: Omit<SchemaElement, 'name'> = leaves[type.kind as keyof typeof leaves]
  return [{ ...optional, ...leaf }]
}

const leaves = {
  null: { type: 'INT32', logical_type: { type: 'NULL' } },
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
  int64: { type: 'INT64' },
  float64: { type: 'DOUBLE' },
  bool: { type: 'BOOLEAN' },
  binary: { type: 'BYTE_ARRAY' },
  timestamp: {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MILLIS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MILLIS' },
  },
} as const
