import type { Refused } from '../options/declaration'

export interface MapOptions {
  /**
   * Call the function with columns of many rows (`{ text: [...] }`); it returns columns, and may change the
   * number of rows.
   */
  batched?: boolean
  /** Rows per call if batched. Default 1000. */
  batch_size?: number
  /** If batched, drop the last rows that do not fill a batch. Default false. */
  drop_last_batch?: boolean
  /** Columns to remove, unless the function returns them. */
  remove_columns?: string | readonly string[]
  signal?: AbortSignal
  /** Called from time to time with the rows done and the total. */
  progress?: (done: number, total: number) => void
}

export interface FilterOptions {
  /** Call the function with columns of many rows; it returns a list of booleans. */
  batched?: boolean
  /** Rows per call if batched. Default 1000. */
  batch_size?: number
  signal?: AbortSignal
}

export interface SplitOptions {
  /** Share (below 1, rounded up) or number of test rows. Default 0.25, or the rows that `train_size` leaves. */
  test_size?: number
  /** Share (below 1, rounded down) or number of training rows. Default: the rows that `test_size` leaves. */
  train_size?: number
  /** Default true. */
  shuffle?: boolean
  seed?: number
}

export interface SortOptions {
  /** Descending order: for all columns, or for each. Default false. */
  reverse?: boolean | readonly boolean[]
  /** Where to put rows with null in the column. Default 'at_end'. */
  null_placement?: 'at_start' | 'at_end'
}

export interface ShardOptions {
  num_shards: number
  /** Number of the part, from 0. */
  index: number
  /** Adjacent rows (default), or every `num_shards`-th row. */
  contiguous?: boolean
}

// Further options of `datasets`. `reason` completes the sentence "... is not supported: ".

const inMemory = 'data sets are held in memory, and nothing is kept in files.'
const unused: Readonly<Record<string, Refused>> = {
  num_proc: { default: null, neutral: [1], reason: 'functions are called in this process.' },
  desc: { default: null, reason: 'give progress, which is called with the rows done.' },
  load_from_cache_file: { default: null, neutral: [true, false], reason: inMemory },
  keep_in_memory: { default: false, neutral: [true], reason: inMemory },
  cache_file_name: { default: null, reason: inMemory },
  writer_batch_size: { default: 1000, reason: inMemory },
  new_fingerprint: { default: null, reason: inMemory },
  with_indices: {
    default: false,
    neutral: [true],
    reason: 'the second argument is always the index (batched: the list of indices).',
  },
  with_rank: { default: false, reason: 'functions are called in one process.' },
  input_columns: { default: null, reason: 'the function gets the whole row; take the columns from it.' },
  fn_kwargs: {
    default: null,
    neutral: [{}],
    reason: 'use the values in the function: (row) => fn(row, value).',
  },
}
export const refusedInMap: Readonly<Record<string, Refused>> = {
  ...unused,
  features: { default: null, reason: 'types are those of the values.' },
  disable_nullable: { default: false, reason: 'any column may hold null.' },
}
export const refusedInFilter: Readonly<Record<string, Refused>> = unused
export const refusedInSplit: Readonly<Record<string, Refused>> = {
  stratify_by_column: { default: null, reason: 'filter by the column, split each part, and join them.' },
  generator: { default: null, reason: 'give seed.' },
  load_from_cache_file: unused['load_from_cache_file']!,
  keep_in_memory: unused['keep_in_memory']!,
}
export const refusedInShuffle: Readonly<Record<string, Refused>> = {
  generator: refusedInSplit['generator']!,
  load_from_cache_file: unused['load_from_cache_file']!,
  keep_in_memory: unused['keep_in_memory']!,
}
export const refusedInSort: Readonly<Record<string, Refused>> = {
  load_from_cache_file: unused['load_from_cache_file']!,
  keep_in_memory: unused['keep_in_memory']!,
}
