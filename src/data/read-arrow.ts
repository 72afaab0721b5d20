import { open } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'

import type * as ArrowModule from 'apache-arrow'
import type { DataType, Vector } from 'apache-arrow'

import { messageOf } from '../files/atomic'
import { markFloats } from '../files/json'
import { regularFile } from '../files/text'
import { type Row, setColumn } from './rows'

type Arrow = typeof ArrowModule

/**
 * The rows of an Arrow file or stream, batch by batch. 64-bit integers become numbers if that is exact, else
 * BigInt; times become Date; a map becomes a list of { key, value }.
 *
 * @throws Error naming the file when it is not Arrow or is damaged.
 */
export async function* arrowBatches(path: string, signal?: AbortSignal): AsyncGenerator<Row[]> {
  await regularFile(path)
  const arrow = await import('apache-arrow')
  const handle = await open(path, 'r')
  try {
    const reader = await arrow.RecordBatchReader.from(handle)
    await reader.open()
    if (!reader.schema) throw new Error('the file is damaged, or is not Arrow')
    for await (const batch of reader) {
      signal?.throwIfAborted()
      const names = batch.schema.fields.map(({ name }) => name)
      const columns = batch.schema.fields.map((_, i) => batch.getChildAt(i)!)
      const rows: Row[] = []
      for (let r = 0; r < batch.numRows; r++) rows.push(structAt(arrow, names, columns, r))
      yield rows
      await setImmediate()
    }
  } catch (error) {
    signal?.throwIfAborted()
    const isPlain = error instanceof Error && error.constructor === Error
    const reason = isPlain ? messageOf(error) : 'the file is damaged, or is not Arrow'
    throw new Error(`${path}: not readable as Arrow: ${reason}`, { cause: error })
  } finally {
    await handle.close().catch(() => undefined)
  }
}

function structAt(arrow: Arrow, names: readonly string[], columns: readonly Vector[], index: number): Row {
  const row: Row = {}
  const floats = new Set<string>()
  for (const [c, name] of names.entries()) {
    const column = columns[c]!
    const value = valueAt(arrow, column, index)
    setColumn(row, name, value)
    if (arrow.DataType.isFloat(column.type) && Number.isInteger(value)) floats.add(name)
  }
  if (floats.size > 0) markFloats(row, floats)
  return row
}

function valueAt(arrow: Arrow, column: Vector, index: number): unknown {
  const { DataType } = arrow
  const type = column.type as DataType
  if (!column.isValid(index)) return null
  if (DataType.isStruct(type)) {
    const names = type.children.map(({ name }) => name)
    const fields = names.map((_, i) => column.getChildAt(i)!)
    return structAt(arrow, names, fields, index)
  }
  const value: unknown = column.get(index)
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (typeof value === 'number' && (DataType.isTimestamp(type) || DataType.isDate(type)))
    return new Date(value)
  if (DataType.isMap(type)) {
    const pairs = [...(value as Iterable<[unknown, unknown]>)]
    return pairs.map(([key, of]) => ({ key, value: typeof of === 'bigint' ? Number(of) : of }))
  }
  if (value instanceof arrow.Vector) {
    const items = Array.from({ length: value.length }, (_, i) => valueAt(arrow, value, i))
    if (DataType.isFloat(value.type)) markFloats(items, new Set(items.keys()))
    return items
  }
  // A copy, so that the batch's buffer can be freed.
  return value instanceof Uint8Array ? Uint8Array.from(value) : value
}
