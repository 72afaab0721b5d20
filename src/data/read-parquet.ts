import { stat } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'

import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

import { messageOf } from '../files/atomic'
import { type Row } from './dataset'

/**
 * Rows of a Parquet file, row group after row group. int64 values become numbers where a number holds them exactly,
 * else they stay BigInt.
 *
 * @throws Error naming the file when it is not Parquet or is cut short
 */
export async function readParquet(path: string, signal?: AbortSignal): Promise<Row[]> {
  await stat(path)
  const rows: Row[] = []
  try {
    const file = await asyncBufferFromFile(path)
    const metadata = await parquetMetadataAsync(file)
    for (const group of metadata.row_groups) {
      signal?.throwIfAborted()
      const rowStart = rows.length
      const part = await parquetReadObjects({
        file,
        metadata,
        compressors,
        rowStart,
        rowEnd: rowStart + Number(group.num_rows),
      })
      for (const row of part) rows.push(plainNumbers(row) as Row)
      await setImmediate()
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw new Error(`${path}: not readable as Parquet: ${messageOf(error)}`, { cause: error })
  }
  return rows
}

function plainNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (Array.isArray(value)) return value.map(plainNumbers)
  if (typeof value !== 'object' || value === null || value instanceof Date || ArrayBuffer.isView(value))
    return value ?? null
  for (const [key, field] of Object.entries(value)) (value as Row)[key] = plainNumbers(field)
  return value
}
