import { setImmediate } from 'node:timers/promises'

import { isFloat, markFloats } from '../files/json'
import { unknownNameError } from '../options/nearest'
import { checkNames } from '../options/parse'
import {
  type MapOptions,
  refusedInFilter,
  refusedInMap,
  refusedInShuffle,
  refusedInSplit,
  type SplitOptions,
} from './dataset-options'
import { dtypeOf, mergeDtypes } from './features'
import { permutation } from './random'

/** One row: column name to value. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a column's type is known only when the file is read
export type Row = Record<string, any>

// Cells of a table with very many columns, most of them then null.
const MOST_CELLS = 5e7

// Rows handled between two pauses: a pause lets timers, heartbeats and an interrupt through.
const ROWS_PER_TURN = 1000

export type { MapOptions, SplitOptions } from './dataset-options'

/** A table in memory with the names of `datasets.Dataset`. Datasets do not change: every operation returns a new one. */
export class Dataset implements Iterable<Row>, AsyncIterable<Row> {
  readonly column_names: readonly string[]
  private readonly rows: readonly Row[]

  private constructor(rows: readonly Row[], columns: readonly string[]) {
    this.rows = rows
    this.column_names = columns
  }

  /** From a list of rows. A column that some rows lack is null there. */
  static from_list(rows: readonly Row[]): Dataset {
    const columns = new Set<string>()
    for (const row of rows) for (const name in row) columns.add(name)
    const names = [...columns]
    if (names.length > 1000 && names.length * rows.length > MOST_CELLS)
      throw new RangeError(
        `[Dataset.from_list] ${rows.length} rows with ${names.length} different keys: keys are columns, and a table of that ` +
          `many cells does not fit; are names or ids used as keys?`,
      )
    const whole = (row: Row): Row => (Object.keys(row).length === names.length ? row : filled(row, names))
    return new Dataset(rows.map(whole), names)
  }

  /** From columns of equal length. */
  static from_dict(columns: Readonly<Record<string, ArrayLike<unknown>>>): Dataset {
    const names = Object.keys(columns)
    const lengths = names.map((name) => columns[name]?.length ?? 0)
    const odd = names.find((_, i) => lengths[i] !== lengths[0])
    if (odd !== undefined) {
      throw new Error(
        `[Dataset.from_dict] column '${odd}' has ${columns[odd]?.length} rows, '${names[0]}' has ${lengths[0]}`,
      )
    }
    const rows = Array.from({ length: lengths[0] ?? 0 }, (_, i) =>
      Object.fromEntries(names.map((name) => [name, columns[name]?.[i]])),
    )
    return new Dataset(rows, names)
  }

  get num_rows(): number {
    return this.rows.length
  }

  get length(): number {
    return this.rows.length
  }

  /** Column name to type (string, int64, list<...>, ...), as seen in the first 1,000 rows. */
  get features(): Record<string, string> {
    const seen = this.rows.slice(0, 1000)
    return Object.fromEntries(
      this.column_names.map((name) => [
        name,
        seen.map((row) => (isFloat(row, name) ? 'float64' : dtypeOf(row[name]))).reduce(mergeDtypes, 'null'),
      ]),
    )
  }

  /** Row `index`; negative counts from the end. Throws outside the table. */
  at(index: number): Row {
    const row = this.rows.at(index)
    if (row === undefined || !Number.isInteger(index))
      throw new RangeError(`[Dataset.at] no row ${index} in a data set of ${this.length} rows`)
    return row
  }

  /** All values of one column. Throws naming the columns there are. */
  column(name: string): unknown[] {
    requireColumn(this, name)
    return this.rows.map((row) => row[name] as unknown)
  }

  /** The rows of these indices, in this order. */
  select(indices: Iterable<number>): Dataset {
    return new Dataset(
      Array.from(indices, (i) => this.at(i)),
      this.column_names,
    )
  }

  /** Rows start (included) to end (not included), as `Array.prototype.slice`. */
  slice(start?: number, end?: number): Dataset {
    return new Dataset(this.rows.slice(start, end), this.column_names)
  }

  /**
   * Applies `fn` to every row (or batch of columns); what it returns is added to the row, replacing columns of the same
   * name. When a batched function changes the number of rows, the old columns must all be replaced or removed.
   */
  async map(fn: (row: Row, index: number) => Row | Promise<Row>, options: MapOptions = {}): Promise<Dataset> {
    const names = ['batched', 'batch_size', 'remove_columns', 'signal', 'progress'] as const
    checkNames<MapOptions>('Dataset.map', options, names, refusedInMap)
    const { batched = false, batch_size = ROWS_PER_TURN, remove_columns = [], signal, progress } = options
    const removed = typeof remove_columns === 'string' ? [remove_columns] : remove_columns
    for (const name of removed) requireColumn(this, name)
    const kept = this.column_names.filter((name) => !removed.includes(name))
    const out: Row[] = []
    for (let from = 0; from < this.length; from += batch_size) {
      signal?.throwIfAborted()
      const rows = this.rows.slice(from, from + batch_size)
      if (batched) out.push(...(await mapBatch(rows, this.column_names, kept, fn, from)))
      else
        for (const [i, row] of rows.entries()) out.push({ ...pick(row, kept), ...(await fn(row, from + i)) })
      progress?.(Math.min(from + batch_size, this.length), this.length)
      await setImmediate()
    }
    return out.length === 0 ? new Dataset([], kept) : Dataset.from_list(out)
  }

  /** The rows for which `fn` says true. */
  async filter(
    fn: (row: Row, index: number) => boolean | Promise<boolean>,
    options: { signal?: AbortSignal } = {},
  ): Promise<Dataset> {
    checkNames<{ signal?: AbortSignal }>('Dataset.filter', options, ['signal'], refusedInFilter)
    const kept: Row[] = []
    for (const [i, row] of this.rows.entries()) {
      if (i % ROWS_PER_TURN === 0) await setImmediate(undefined, options)
      if (await fn(row, i)) kept.push(row)
    }
    return new Dataset(kept, this.column_names)
  }

  /** A random order; the same for the same seed (not NumPy's order), another each time without one. */
  shuffle(options: { seed?: number } = {}): Dataset {
    checkNames<{ seed?: number }>('Dataset.shuffle', options, ['seed'], refusedInShuffle)
    const { seed = Math.floor(Math.random() * 2 ** 32) } = options
    return this.select(permutation(this.length, seed))
  }

  /** Two data sets, 'train' and 'test'. Throws when one of them would be empty or both do not fit. */
  train_test_split(options: SplitOptions = {}): DatasetDict {
    const names = ['test_size', 'train_size', 'shuffle', 'seed'] as const
    checkNames<SplitOptions>('Dataset.train_test_split', options, names, refusedInSplit)
    const { test_size, train_size, shuffle = true, seed } = options
    const n = this.length
    const count = (size: number, round: (x: number) => number): number => (size < 1 ? round(size * n) : size)
    const wanted = test_size ?? (train_size === undefined ? 0.25 : undefined)
    const train = train_size === undefined ? undefined : count(train_size, Math.floor)
    const test = wanted === undefined ? n - (train ?? 0) : count(wanted, Math.ceil)
    const rest = train ?? n - test
    if (!(test > 0 && rest > 0 && test + rest <= n)) {
      throw new RangeError(
        `[Dataset.train_test_split] ${rest} training and ${test} test rows cannot be taken from ${n} rows`,
      )
    }
    const all = shuffle ? this.shuffle(seed === undefined ? {} : { seed }) : this
    // In order: training rows first; shuffled: test rows first, as datasets does it.
    const [trainAt, testAt] = shuffle ? [test, 0] : [0, rest]
    return new DatasetDict([
      ['train', all.slice(trainAt, trainAt + rest)],
      ['test', all.slice(testAt, testAt + test)],
    ])
  }

  remove_columns(names: string | readonly string[]): Dataset {
    const removed = typeof names === 'string' ? [names] : names
    for (const name of removed) requireColumn(this, name)
    const kept = this.column_names.filter((name) => !removed.includes(name))
    return new Dataset(
      this.rows.map((row) => pick(row, kept)),
      kept,
    )
  }

  rename_column(from: string, to: string): Dataset {
    requireColumn(this, from)
    if (from !== to && this.column_names.includes(to))
      throw new Error(`[Dataset.rename_column] there is a column '${to}' already`)
    const rename = (name: string): string => (name === from ? to : name)
    const rows = this.rows.map((row) =>
      Object.fromEntries(this.column_names.map((name) => [rename(name), row[name]])),
    )
    return new Dataset(rows, this.column_names.map(rename))
  }

  add_column(name: string, values: ArrayLike<unknown>): Dataset {
    if (this.column_names.includes(name))
      throw new Error(`[Dataset.add_column] there is a column '${name}' already`)
    if (values.length !== this.length)
      throw new Error(`[Dataset.add_column] ${values.length} values for ${this.length} rows`)
    return new Dataset(
      this.rows.map((row, i) => ({ ...row, [name]: values[i] })),
      [...this.column_names, name],
    )
  }

  /** The rows as an array of their own (the row objects are shared). */
  to_list(): Row[] {
    return [...this.rows]
  }

  [Symbol.iterator](): Iterator<Row> {
    return this.rows[Symbol.iterator]()
  }

  /** `for await`: pauses now and then, so that a long loop does not stop timers and heartbeats. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Row> {
    for (const [i, row] of this.rows.entries()) {
      if (i % ROWS_PER_TURN === 0) await setImmediate()
      yield row
    }
  }
}

/** Splits by name. `get` throws for a name that is not there and says which are. */
export class DatasetDict extends Map<string, Dataset> {
  override get(split: string): Dataset {
    const dataset = super.get(split)
    if (dataset === undefined) throw unknownNameError('DatasetDict', split, [...this.keys()], 'split')
    return dataset
  }
}

/** Throws an error that names the columns there are when `name` is not one of them. */
export function requireColumn(dataset: Dataset, name: string): void {
  if (dataset.column_names.includes(name)) return
  throw new Error(
    `the data set has no column '${name}'. Its columns: ${dataset.column_names.join(', ') || 'none'}`,
  )
}

/** The row with null in the columns it lacks. */
function filled(row: Row, names: readonly string[]): Row {
  const all = Object.fromEntries(
    names.map((name) => [name, (Object.hasOwn(row, name) ? row[name] : null) ?? null]),
  )
  const floats = names.filter((name) => isFloat(row, name))
  if (floats.length > 0) markFloats(all, new Set(floats))
  return all
}

function pick(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(names.map((name) => [name, row[name] as unknown]))
}

async function mapBatch(
  rows: readonly Row[],
  columns: readonly string[],
  kept: readonly string[],
  fn: (batch: Row, index: number) => Row | Promise<Row>,
  from: number,
): Promise<Row[]> {
  const batch = Object.fromEntries(columns.map((name) => [name, rows.map((row) => row[name] as unknown)]))
  const result = { ...pick(batch, kept), ...(await fn(batch, from)) }
  const odd = Object.entries(result).find(([, values]) => !Array.isArray(values))
  if (odd)
    throw new TypeError(
      `[Dataset.map] a batched function must return arrays; '${odd[0]}' is ${typeof odd[1]}`,
    )
  return Dataset.from_dict(result).to_list()
}
