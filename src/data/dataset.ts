import { setImmediate } from 'node:timers/promises'

import { checkNames } from '../options/parse'
import { DatasetDict } from './dataset-dict'
import { filterBatch, mapBatch, mapRow } from './dataset-map'
import {
  type FilterOptions,
  type MapOptions,
  refusedInFilter,
  refusedInMap,
  refusedInShuffle,
  refusedInSort,
  refusedInSplit,
  type ShardOptions,
  type SortOptions,
  type SplitOptions,
} from './dataset-options'
import { batchSize, requireColumn, rowCount, shardRange, splitSizes } from './dataset-sizes'
import { sortedOrder } from './dataset-sort'
import { columnTypes, typeText } from './features'
import { NumpyGenerator } from './numpy-random'
import { columnsOf, pickColumns, type Row, rowsOf, withColumns } from './rows'
import { saveDataset, type SaveOptions } from './save-dataset'
import { type CsvOptions, type JsonOptions, writeCsv, writeJson } from './write-text'
import { writeParquet } from './write-parquet'

export { requireColumn } from './dataset-sizes'
export type { Row } from './rows'

// The most cells of a table with very many columns, most of which would be null.
const MOST_CELLS = 5e7

// Rows processed between two pauses; a pause lets timers, heartbeats and interrupts run.
const ROWS_PER_TURN = 1000

/** A function for `map`: of a row and its index, or if batched of columns and the indices of their rows. */
type MapFunction<Index> = (
  row: Row,
  index: Index,
) => Row | null | undefined | void | Promise<Row | null | undefined | void>
type FilterFunction<Index, Result> = (row: Row, index: Index) => Result | Promise<Result>

/**
 * A table in memory, with the names of `datasets.Dataset`. Data sets are immutable: every operation returns a
 * new one.
 */
export class Dataset implements Iterable<Row>, AsyncIterable<Row> {
  readonly column_names: readonly string[]
  private readonly rows: readonly Row[]

  private constructor(rows: readonly Row[], columns: readonly string[]) {
    this.rows = rows
    this.column_names = columns
  }

  /** From a list of rows. A column that is missing in some rows is null there. */
  static from_list(rows: readonly Row[]): Dataset {
    const columns = new Set<string>()
    for (const row of rows) for (const name in row) columns.add(name)
    const names = [...columns]
    if (names.length > 1000 && names.length * rows.length > MOST_CELLS)
      throw new RangeError(
        `[Dataset.from_list] ${rows.length} rows with ${names.length} different keys: keys are columns, and a table of that ` +
          `many cells does not fit; are names or ids used as keys?`,
      )
    const whole = (row: Row): Row =>
      Object.keys(row).length === names.length ? row : pickColumns(row, names)
    return new Dataset(rows.map(whole), names)
  }

  /** From columns of equal length. */
  static from_dict(columns: Readonly<Record<string, ArrayLike<unknown>>>): Dataset {
    return new Dataset(rowsOf('Dataset.from_dict', columns), Object.keys(columns))
  }

  get num_rows(): number {
    return this.rows.length
  }

  get length(): number {
    return this.rows.length
  }

  /** Column name to type (string, int64, list<...>, ...), from the first 1,000 rows. */
  get features(): Record<string, string> {
    const seen = this.rows.slice(0, 1000)
    return Object.fromEntries(
      Object.entries(columnTypes(seen, this.column_names)).map(([name, type]) => [name, typeText(type)]),
    )
  }

  /** Row `index`; negative indices count from the end. Throws outside the table. */
  at(index: number): Row {
    const row = this.rows.at(index)
    if (row === undefined || !Number.isInteger(index))
      throw new RangeError(`[Dataset.at] no row ${index} in a data set of ${this.length} rows`)
    return row
  }

  /** All values of one column. Throws for an unknown name, listing the columns. */
  column(name: string): unknown[] {
    requireColumn(this, name)
    return this.rows.map((row) => row[name] as unknown)
  }

  /** The rows with these indices, in this order. */
  select(indices: Iterable<number>): Dataset {
    return new Dataset(
      Array.from(indices, (i) => this.at(i)),
      this.column_names,
    )
  }

  /** Rows from start to before end, like `Array.prototype.slice`. */
  slice(start?: number, end?: number): Dataset {
    return new Dataset(this.rows.slice(start, end), this.column_names)
  }

  /** The first `n` rows, or all if there are fewer. */
  take(n: number): Dataset {
    return this.slice(0, rowCount('take', n))
  }

  /** All but the first `n` rows. */
  skip(n: number): Dataset {
    return this.slice(rowCount('skip', n))
  }

  /** One of `num_shards` parts, whose sizes differ by at most one row. */
  shard(options: ShardOptions): Dataset {
    checkNames<ShardOptions>('Dataset.shard', options, ['num_shards', 'index', 'contiguous'])
    const { num_shards, index, contiguous = true } = options
    const [start, end] = shardRange(this.length, num_shards, index)
    if (contiguous) return this.slice(start, end)
    return new Dataset(
      this.rows.filter((_, i) => i % num_shards === index),
      this.column_names,
    )
  }

  /**
   * Applies `fn` to every row (or batch of columns). Its result is added to the row and replaces columns of the
   * same name; null or undefined leaves the row unchanged. If a batched function changes the number of rows,
   * all old columns must be replaced or removed.
   */
  map(fn: MapFunction<number[]>, options: MapOptions & { batched: true }): Promise<Dataset>
  map(fn: MapFunction<number>, options?: MapOptions): Promise<Dataset>
  async map(fn: MapFunction<never>, options: MapOptions = {}): Promise<Dataset> {
    const names = [
      'batched',
      'batch_size',
      'drop_last_batch',
      'remove_columns',
      'signal',
      'progress',
    ] as const
    checkNames<MapOptions>('Dataset.map', options, names, refusedInMap)
    const { batched = false, remove_columns = [], drop_last_batch = false, signal, progress } = options
    const batch_size = batchSize('map', options.batch_size)
    const removed = typeof remove_columns === 'string' ? [remove_columns] : remove_columns
    for (const name of removed) requireColumn(this, name)
    const kept = this.column_names.filter((name) => !removed.includes(name))
    const out: Row[] = []
    for (let from = 0; from < this.length; from += batch_size) {
      signal?.throwIfAborted()
      const rows = this.rows.slice(from, from + batch_size)
      if (batched && drop_last_batch && rows.length < batch_size) break
      const mapped = batched ? await mapBatch('Dataset.map', rows, this.column_names, kept, fn, from) : []
      if (!batched)
        for (const [i, row] of rows.entries())
          mapped.push(await mapRow('Dataset.map', row, kept, fn, from + i))
      for (const row of mapped) out.push(row)
      progress?.(Math.min(from + batch_size, this.length), this.length)
      await setImmediate()
    }
    return out.length === 0 ? new Dataset([], kept) : Dataset.from_list(out)
  }

  /** The rows for which `fn` returns true. If batched, it gets columns and returns a list of booleans. */
  filter(
    fn: FilterFunction<number[], ArrayLike<unknown>>,
    options: FilterOptions & { batched: true },
  ): Promise<Dataset>
  filter(fn: FilterFunction<number, boolean>, options?: FilterOptions): Promise<Dataset>
  async filter(fn: FilterFunction<never, unknown>, options: FilterOptions = {}): Promise<Dataset> {
    const names = ['batched', 'batch_size', 'signal'] as const
    checkNames<FilterOptions>('Dataset.filter', options, names, refusedInFilter)
    const { batched = false, signal } = options
    const batch_size = batchSize('filter', options.batch_size)
    const kept: Row[] = []
    for (let from = 0; from < this.length; from += batch_size) {
      await setImmediate(undefined, signal ? { signal } : {})
      const rows = this.rows.slice(from, from + batch_size)
      const chosen = batched
        ? await filterBatch('Dataset.filter', rows, this.column_names, fn, from)
        : undefined
      for (const [i, row] of rows.entries())
        if (chosen ? chosen[i] : await fn(row, (from + i) as never)) kept.push(row)
    }
    return new Dataset(kept, this.column_names)
  }

  /**
   * Shuffles the rows: with a seed, in the order of `datasets` and NumPy for that seed; without one,
   * differently each time.
   */
  shuffle(options: { seed?: number } = {}): Dataset {
    checkNames<{ seed?: number }>('Dataset.shuffle', options, ['seed'], refusedInShuffle)
    const { seed = Math.floor(Math.random() * 2 ** 32) } = options
    return this.select(new NumpyGenerator(seed).permutation(this.length))
  }

  /** Sorts the rows by one or more columns; equal rows keep their order. Null and NaN are last. */
  sort(column_names: string | readonly string[], options: SortOptions = {}): Dataset {
    checkNames<SortOptions>('Dataset.sort', options, ['reverse', 'null_placement'], refusedInSort)
    const { reverse = false, null_placement = 'at_end' } = options
    const names = typeof column_names === 'string' ? [column_names] : column_names
    for (const name of names) requireColumn(this, name)
    const turned = typeof reverse === 'boolean' ? names.map(() => reverse) : reverse
    if (turned.length !== names.length)
      throw new TypeError(`[Dataset.sort] reverse has ${turned.length} values for ${names.length} columns`)
    const keys = names.map((name, i) => ({ name, reverse: turned[i]! }))
    return this.select(sortedOrder(this.rows, keys, null_placement))
  }

  /** The distinct values of a column, in order of their first appearance. */
  unique(column: string): unknown[] {
    return [...new Set(this.column(column))]
  }

  /** Two data sets, 'train' and 'test'. Throws when one of them would be empty, or both together are too large. */
  train_test_split(options: SplitOptions = {}): DatasetDict<'train' | 'test'> {
    const names = ['test_size', 'train_size', 'shuffle', 'seed'] as const
    checkNames<SplitOptions>('Dataset.train_test_split', options, names, refusedInSplit)
    const { shuffle = true, seed } = options
    const { train, test } = splitSizes(this.length, options)
    const all = shuffle ? this.shuffle(seed === undefined ? {} : { seed }) : this
    // Without shuffling, training rows come first; with it, test rows come first, as in `datasets`.
    const [trainAt, testAt] = shuffle ? [test, 0] : [0, train]
    return new DatasetDict<'train' | 'test'>([
      ['train', all.slice(trainAt, trainAt + train)],
      ['test', all.slice(testAt, testAt + test)],
    ])
  }

  remove_columns(names: string | readonly string[]): Dataset {
    const removed = typeof names === 'string' ? [names] : names
    for (const name of removed) requireColumn(this, name)
    return this.withColumnsNamed(this.column_names.filter((name) => !removed.includes(name)))
  }

  /** Only these columns, in this order. */
  select_columns(names: string | readonly string[]): Dataset {
    const kept = typeof names === 'string' ? [names] : names
    for (const name of kept) requireColumn(this, name)
    return this.withColumnsNamed(kept)
  }

  rename_column(from: string, to: string): Dataset {
    return this.rename_columns({ [from]: to })
  }

  /** Renames columns: old name to new name. */
  rename_columns(names: Readonly<Record<string, string>>): Dataset {
    for (const name of Object.keys(names)) requireColumn(this, name)
    const named = (name: string): string => (Object.hasOwn(names, name) ? names[name]! : name)
    const renamed = this.column_names.map(named)
    const twice = renamed.find((name, i) => renamed.indexOf(name) !== i)
    if (twice !== undefined) throw new Error(`[Dataset.rename_column] there is a column '${twice}' already`)
    return new Dataset(
      this.rows.map((row) => pickColumns(row, this.column_names, named)),
      renamed,
    )
  }

  add_column(name: string, values: ArrayLike<unknown>): Dataset {
    if (this.column_names.includes(name))
      throw new Error(`[Dataset.add_column] there is a column '${name}' already`)
    if (values.length !== this.length)
      throw new Error(`[Dataset.add_column] ${values.length} values for ${this.length} rows`)
    return new Dataset(
      this.rows.map((row, i) => withColumns(row, { [name]: values[i] })),
      [...this.column_names, name],
    )
  }

  /**
   * Writes the rows as JSON, one object per line, or with `lines: false` as one array. A .gz file is
   * compressed. Returns the number of bytes before compression.
   */
  to_json(path: string, options: JsonOptions = {}): Promise<number> {
    return writeJson(path, this.rows, options)
  }

  /** Writes a CSV file; lists and structs in it are JSON. Returns the number of bytes before compression. */
  to_csv(path: string, options: CsvOptions = {}): Promise<number> {
    return writeCsv(path, this.rows, this.column_names, options)
  }

  /** Writes a Parquet file with the types of {@link features}. Returns the number of bytes. */
  to_parquet(path: string): Promise<number> {
    return writeParquet(path, this.rows, this.column_names)
  }

  /** Writes a folder of Arrow files, like Python's `datasets`; both read it with `load_from_disk`. */
  save_to_disk(folder: string, options: SaveOptions = {}): Promise<void> {
    return saveDataset(this, folder, options)
  }

  /** All columns, each with the values of all rows. */
  to_dict(): Record<string, unknown[]> {
    return columnsOf(this.rows, this.column_names)
  }

  private withColumnsNamed(names: readonly string[]): Dataset {
    return new Dataset(
      this.rows.map((row) => pickColumns(row, names)),
      names,
    )
  }

  /** The rows as a new array; the row objects are shared. */
  to_list(): Row[] {
    return [...this.rows]
  }

  [Symbol.iterator](): Iterator<Row> {
    return this.rows[Symbol.iterator]()
  }

  /** `for await` pauses from time to time, so that a long loop does not block timers and heartbeats. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Row> {
    for (const [i, row] of this.rows.entries()) {
      if (i % ROWS_PER_TURN === 0) await setImmediate()
      yield row
    }
  }
}
