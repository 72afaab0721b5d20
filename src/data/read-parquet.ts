import { setImmediate } from 'node:timers/promises'

import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type SchemaTree,
} from 'hyparquet'

import { messageOf } from '../files/atomic'
import { markFloats } from '../files/json'
import { regularFile } from '../files/text'
import { type Row, setColumn } from './rows'
import { checkedFile, checkMetadata, pageCompressors, SizeCount } from './parquet-pages'

/**
 * The rows of a Parquet file, one row group at a time. int64 values become numbers if that is exact, else
 * BigInt.
 *
 * @throws Error naming the file when it is not Parquet, is damaged, or would expand too much.
 */
export async function* parquetBatches(path: string, signal?: AbortSignal): AsyncGenerator<Row[]> {
  const size = await regularFile(path)
  let rowStart = 0
  try {
    const plain = await asyncBufferFromFile(path)
    const metadata = await parquetMetadataAsync(plain)
    checkMetadata(metadata, size)
    const file = checkedFile(plain, metadata)
    const columns = columnsOf(parquetSchema(metadata))
    const count = new SizeCount(size)
    for (const group of metadata.row_groups) {
      signal?.throwIfAborted()
      const rowEnd = rowStart + Number(group.num_rows)
      let part: unknown[][] = []
      const onComplete = (found: unknown[][]): void => void (part = found)
      const names = columns.map(({ name }) => name)
      await parquetRead({
        file,
        metadata,
        compressors: pageCompressors,
        // Bytes that are not marked as text stay bytes, as in pyarrow.
        utf8: false,
        columns: names,
        rowStart,
        rowEnd,
        onComplete,
      })
      if (part.length !== rowEnd - rowStart)
        throw new Error(`a row group has ${part.length} rows; its metadata says ${rowEnd - rowStart}`)
      const rows: Row[] = []
      for (const values of part) {
        rows.push(rowOf(columns, values, count))
        count.check()
      }
      yield rows
      rowStart = rowEnd
      await setImmediate()
    }
  } catch (error) {
    signal?.throwIfAborted()
    // An error inside the reader of a damaged file does not help the user.
    const isPlain = error instanceof Error && error.constructor === Error
    const reason = isPlain ? messageOf(error) : 'the file is damaged, or is not Parquet'
    throw new Error(`${path}: not readable as Parquet: ${reason}`, { cause: error })
  }
}

interface Column {
  name: string
  float: boolean
  tree: SchemaTree
}

function columnsOf(schema: SchemaTree): Column[] {
  const names = new Set<string>()
  for (const { element } of schema.children) {
    if (names.has(element.name)) throw new Error(`two columns are named '${element.name}'`)
    names.add(element.name)
  }
  return schema.children.map((tree) => ({ name: tree.element.name, float: isFloatType(tree), tree }))
}

function isFloatType({ element: { type } }: SchemaTree): boolean {
  return type === 'FLOAT' || type === 'DOUBLE'
}

function rowOf(columns: readonly Column[], values: readonly unknown[], count: SizeCount): Row {
  const row: Row = {}
  const floats = new Set<string>()
  for (const [i, { name, float, tree }] of columns.entries()) {
    const value = plainValue(values[i], tree, count)
    setColumn(row, name, value)
    if (float && Number.isInteger(value)) floats.add(name)
  }
  if (floats.size > 0) markFloats(row, floats)
  return row
}

function plainValue(value: unknown, tree: SchemaTree, count: SizeCount): unknown {
  count.add(typeof value === 'string' ? value.length : 8)
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (Array.isArray(value)) {
    const element = elementOf(tree)
    const plain = value.map((item) => plainValue(item, element, count))
    if (isFloatType(element)) markFloats(plain, new Set(plain.keys()))
    return plain
  }
  if (typeof value !== 'object' || value === null || value instanceof Date) return value ?? null
  if (ArrayBuffer.isView(value)) {
    count.add(value.byteLength)
    return value
  }
  const floats = new Set<string>()
  for (const [key, field] of Object.entries(value)) {
    const child = tree.children.find(({ element }) => element.name === key) ?? tree
    const plain = plainValue(field, child, count)
    setColumn(value as Row, key, plain)
    if (child !== tree && isFloatType(child) && Number.isInteger(plain)) floats.add(key)
  }
  if (floats.size > 0) markFloats(value, floats)
  return value
}

/** The schema of a list's elements: `list.element` in three levels, or the repeated field itself. */
function elementOf(tree: SchemaTree): SchemaTree {
  const [repeated] = tree.children
  if (!repeated || tree.children.length > 1 || tree.element.repetition_type === 'REPEATED') return tree
  const [inner] = repeated.children
  return inner && repeated.children.length === 1 ? inner : repeated
}
