import { setImmediate } from 'node:timers/promises'

import type * as ArrowModule from 'apache-arrow'
import type { DataType } from 'apache-arrow'

import { replaceFile, writeAll } from '../files/atomic'
import type { ColumnType } from './features'
import type { Row } from './rows'
import { typedValue } from './typed-values'
import { featuresJson } from './write-parquet'

type Arrow = typeof ArrowModule

const BATCH = 1000

/** Writes rows as an Arrow stream, the format of `save_to_disk`'s files. Returns the number of bytes. */
export async function writeArrow(
  path: string,
  rows: readonly Row[],
  types: Readonly<Record<string, ColumnType>>,
): Promise<number> {
  const arrow = await import('apache-arrow')
  const { Field, makeData, RecordBatch, RecordBatchStreamWriter, Schema, Struct, vectorFromArray } = arrow
  const columns = Object.entries(types)
  const fields = columns.map(([name, type]) => new Field(name, arrowType(arrow, type), true))
  const schema = new Schema(fields, new Map([['huggingface', featuresJson(types)]]))
  const writer = new RecordBatchStreamWriter()
  // Before the first batch, so that a file without rows has a schema too.
  writer.reset(undefined, schema)
  let written = 0
  await replaceFile(path, async (file) => {
    const pieces = writer[Symbol.asyncIterator]()
    const writing = (async () => {
      for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
        written += next.value.byteLength
        await writeAll(file, next.value)
      }
    })()
    try {
      for (let from = 0; from < rows.length; from += BATCH) {
        const part = rows.slice(from, from + BATCH)
        const children = columns.map(([name, type], c) => {
          const values = part.map((row) => typedValue(row[name], type))
          return vectorFromArray(values, fields[c]!.type).data[0]!
        })
        const data = makeData({ type: new Struct(fields), length: part.length, nullCount: 0, children })
        writer.write(new RecordBatch(schema, data))
        await setImmediate()
      }
      writer.finish()
    } catch (error) {
      writer.abort(error)
      await writing.catch(() => undefined)
      throw error
    }
    await writing
  })
  return written
}

function arrowType(arrow: Arrow, type: ColumnType): DataType {
  const field = (name: string, of: ColumnType): InstanceType<Arrow['Field']> =>
    new arrow.Field(name, arrowType(arrow, of), true)
  switch (type.kind) {
    case 'list':
      return new arrow.List(field('item', type.of))
    case 'struct':
      return new arrow.Struct(Object.entries(type.fields).map(([name, of]) => field(name, of)))
    case 'string':
      return new arrow.Utf8()
    case 'int64':
      return new arrow.Int64()
    case 'float64':
      return new arrow.Float64()
    case 'bool':
      return new arrow.Bool()
    case 'binary':
      return new arrow.Binary()
    case 'timestamp':
      return new arrow.TimestampMillisecond()
    default:
      return new arrow.Null()
  }
}
