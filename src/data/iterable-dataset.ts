import { checkNames } from '../options/parse'
import { filterBatch, mapBatch, mapRow } from './dataset-map'
import { type FilterOptions, type MapOptions, refusedInFilter, refusedInMap } from './dataset-options'
import { pickColumns, type Row } from './rows'
import { regrouped, type RowSource, shuffledRows, skipped, taken } from './row-stream'

export interface StreamShuffleOptions {
  /** Default: another order each time. */
  seed?: number
  /** Rows to choose from at a time. Default 1000. */
  buffer_size?: number
}

type StreamMapOptions = Omit<MapOptions, 'signal' | 'progress'>
type AnyFunction = (row: Row, index: never) => unknown

const BATCH = 1000

/**
 * Rows that are read while they are used, with the names of `datasets.IterableDataset`: for data larger than
 * memory. Nothing is read before a loop begins; each loop reads from the start. `map`, `filter` and the other
 * methods return at once.
 */
export class IterableDataset implements AsyncIterable<Row> {
  /** Names of the columns; null if they are not known before rows are read, as in `datasets`. */
  readonly column_names: readonly string[] | null
  private readonly source: RowSource
  private current = 0

  constructor(source: RowSource, column_names: readonly string[] | null = null) {
    this.source = source
    this.column_names = column_names
  }

  /** From a function that starts a new pass over the rows each time it is called. */
  static from_generator(rows: () => Iterable<Row> | AsyncIterable<Row>): IterableDataset {
    return new IterableDataset(async function* () {
      for await (const row of rows()) yield [row]
    })
  }

  /** The number of the training epoch, from 0; `shuffle` uses another order in each. */
  get epoch(): number {
    return this.current
  }

  set_epoch(epoch: number): void {
    this.current = epoch
  }

  /** Like {@link Dataset.map}, applied when rows are read. */
  map(fn: AnyFunction, options: StreamMapOptions = {}): IterableDataset {
    const names = ['batched', 'batch_size', 'drop_last_batch', 'remove_columns'] as const
    checkNames<StreamMapOptions>('IterableDataset.map', options, names, refusedInMap)
    const { batched = false, batch_size = BATCH, drop_last_batch = false, remove_columns = [] } = options
    const removed = typeof remove_columns === 'string' ? [remove_columns] : remove_columns
    const { source } = this
    const owner = 'IterableDataset.map'
    return new IterableDataset(async function* (pass) {
      let from = 0
      const kept = (row: Row): string[] => {
        for (const name of removed) requireIn(row, name, from)
        return Object.keys(row).filter((name) => !removed.includes(name))
      }
      for await (const rows of batched
        ? regrouped(source(pass), batch_size, drop_last_batch)
        : source(pass)) {
        if (batched) {
          const columns = [...new Set(rows.flatMap(Object.keys))]
          const whole = rows.map((row) => pickColumns(row, columns))
          yield await mapBatch(owner, whole, columns, kept(whole[0]!), fn, from)
          from += rows.length
          continue
        }
        const out: Row[] = []
        for (const row of rows) out.push(await mapRow(owner, row, kept(row), fn, from++))
        yield out
      }
    })
  }

  /** Like {@link Dataset.filter}, applied when rows are read. */
  filter(fn: AnyFunction, options: Omit<FilterOptions, 'signal'> = {}): IterableDataset {
    const names = ['batched', 'batch_size'] as const
    checkNames<FilterOptions>('IterableDataset.filter', options, names, refusedInFilter)
    const { batched = false, batch_size = BATCH } = options
    const { source } = this
    const chosen: RowSource = async function* (pass) {
      let from = 0
      for await (const rows of batched ? regrouped(source(pass), batch_size) : source(pass)) {
        const columns = [...new Set(rows.flatMap(Object.keys))]
        const keep = batched
          ? await filterBatch('IterableDataset.filter', rows, columns, fn, from)
          : await Promise.all(rows.map((row, i) => fn(row, (from + i) as never)))
        from += rows.length
        yield rows.filter((_, i) => keep[i])
      }
    }
    return new IterableDataset(chosen, this.column_names)
  }

  /**
   * A random order, made with a buffer: whenever `buffer_size` rows are in it, half of them are returned in
   * random order. For one file and one seed the order is that of `datasets`; with several files, their order is
   * shuffled too, but differently.
   */
  shuffle(options: StreamShuffleOptions = {}): IterableDataset {
    checkNames<StreamShuffleOptions>('IterableDataset.shuffle', options, ['seed', 'buffer_size'], {
      generator: { default: null, reason: 'give seed.' },
      max_buffer_input_shards: { default: 10, reason: 'files are read one after the other.' },
    })
    const { seed = Math.floor(Math.random() * 2 ** 32), buffer_size = 1000 } = options
    if (!(Number.isInteger(buffer_size) && buffer_size > 0))
      throw new RangeError(
        `[IterableDataset.shuffle] buffer_size: got ${buffer_size}, needs a positive integer`,
      )
    return new IterableDataset(shuffledRows(this.source, seed, buffer_size), this.column_names)
  }

  /** The first `n` rows, or all if there are fewer. */
  take(n: number): IterableDataset {
    return new IterableDataset(taken(this.source, n), this.column_names)
  }

  /** All but the first `n` rows. */
  skip(n: number): IterableDataset {
    return new IterableDataset(skipped(this.source, n), this.column_names)
  }

  remove_columns(names: string | readonly string[]): IterableDataset {
    const removed = typeof names === 'string' ? [names] : names
    return this.changed(
      (row, i) => {
        for (const name of removed) requireIn(row, name, i)
        return pickColumns(
          row,
          Object.keys(row).filter((name) => !removed.includes(name)),
        )
      },
      (known) => known.filter((name) => !removed.includes(name)),
    )
  }

  select_columns(names: string | readonly string[]): IterableDataset {
    const kept = typeof names === 'string' ? [names] : names
    return this.changed(
      (row, i) => {
        for (const name of kept) requireIn(row, name, i)
        return pickColumns(row, kept)
      },
      () => kept,
    )
  }

  rename_column(from: string, to: string): IterableDataset {
    return this.rename_columns({ [from]: to })
  }

  rename_columns(names: Readonly<Record<string, string>>): IterableDataset {
    const named = (name: string): string => (Object.hasOwn(names, name) ? names[name]! : name)
    return this.changed(
      (row, i) => {
        for (const name of Object.keys(names)) requireIn(row, name, i)
        return pickColumns(row, Object.keys(row), named)
      },
      (known) => known.map(named),
    )
  }

  /** The rows of one pass in chunks; for `epoch` see {@link set_epoch}. */
  chunks(epoch: number = this.epoch): AsyncIterable<readonly Row[]> {
    return this.source({ epoch })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Row> {
    for await (const rows of this.chunks()) yield* rows
  }

  private changed(
    change: (row: Row, index: number) => Row,
    columns: (known: readonly string[]) => readonly string[],
  ): IterableDataset {
    const { source } = this
    const out: RowSource = async function* (pass) {
      let from = 0
      for await (const rows of source(pass)) {
        yield rows.map((row, i) => change(row, from + i))
        from += rows.length
      }
    }
    return new IterableDataset(out, this.column_names && columns(this.column_names))
  }
}

function requireIn(row: Row, name: string, index: number): void {
  if (Object.hasOwn(row, name)) return
  throw new Error(
    `[IterableDataset] row ${index} has no column '${name}'. Its columns: ${Object.keys(row).join(', ') || 'none'}`,
  )
}
