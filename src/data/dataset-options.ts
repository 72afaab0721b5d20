import type { Refused } from '../options/declaration'

export interface MapOptions {
  /** Give the function columns of many rows (`{ text: [...] }`) and take columns back; the number of rows may change. */
  batched?: boolean
  /** Rows a call when batched. Default 1000. */
  batch_size?: number
  /** Columns to leave out of the result, unless the function returns them. */
  remove_columns?: string | readonly string[]
  signal?: AbortSignal
  /** Called with rows done and rows in all, now and then. */
  progress?: (done: number, total: number) => void
}

export interface SplitOptions {
  /** Share (below 1, rounded up) or number of test rows. Default 0.25, or what `train_size` leaves. */
  test_size?: number
  /** Share (below 1, rounded down) or number of training rows. Default: what `test_size` leaves. */
  train_size?: number
  /** Default true. */
  shuffle?: boolean
  seed?: number
}

// What `datasets` takes besides. `reason` ends the sentence "... is not supported: ".

const inMemory = 'data sets are held in memory, and nothing is kept in files.'
const unused: Readonly<Record<string, Refused>> = {
  num_proc: { default: null, neutral: [1], reason: 'functions are called in this process.' },
  desc: { default: null, reason: 'give progress, which is called with the rows done.' },
  load_from_cache_file: { default: null, neutral: [true, false], reason: inMemory },
  keep_in_memory: { default: false, neutral: [true], reason: inMemory },
  cache_file_name: { default: null, reason: inMemory },
  writer_batch_size: { default: 1000, reason: inMemory },
  new_fingerprint: { default: null, reason: inMemory },
  with_indices: { default: false, neutral: [true], reason: 'the second argument is always the index.' },
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
  drop_last_batch: { default: false, reason: 'every row is given to the function.' },
  features: { default: null, reason: 'types are those of the values.' },
  disable_nullable: { default: false, reason: 'any column may hold null.' },
}
export const refusedInFilter: Readonly<Record<string, Refused>> = {
  ...unused,
  batched: { default: false, reason: 'the function gets one row at a time.' },
  batch_size: { default: 1000, reason: 'the function gets one row at a time.' },
}
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
