import type { SplitOptions } from './dataset-options'

/** Rows per call of a batched function. */
const BATCH = 1000

/** Throws an error listing the columns when `name` is not one of them. */
export function requireColumn(dataset: { readonly column_names: readonly string[] }, name: string): void {
  if (dataset.column_names.includes(name)) return
  throw new Error(
    `the data set has no column '${name}'. Its columns: ${dataset.column_names.join(', ') || 'none'}`,
  )
}

/** The number of rows for `take` and `skip`; numbers below 0 count as 0, as in `datasets`. */
export function rowCount(method: string, n: number): number {
  if (Number.isInteger(n)) return Math.max(0, n)
  throw new RangeError(`[Dataset.${method}] got ${n}, needs a number of rows`)
}

export function batchSize(method: string, size: number = BATCH): number {
  if (Number.isInteger(size) && size > 0) return size
  throw new RangeError(`[Dataset.${method}] batch_size: got ${size}, needs a positive integer`)
}

/** [start, end) of one of `num_shards` parts of `n` rows, whose sizes differ by at most one. */
export function shardRange(n: number, num_shards: number, index: number): [number, number] {
  if (!(Number.isInteger(num_shards) && Number.isInteger(index) && index >= 0 && index < num_shards))
    throw new RangeError(
      `[Dataset.shard] num_shards = ${num_shards}, index = ${index}: index needs an integer from 0 to num_shards - 1`,
    )
  const [size, more] = [Math.floor(n / num_shards), n % num_shards]
  const start = size * index + Math.min(index, more)
  return [start, start + size + (index < more ? 1 : 0)]
}

/**
 * Sizes of the two parts of `train_test_split`. @throws RangeError when one would be empty, or both together
 * are too large.
 */
export function splitSizes(
  n: number,
  { test_size, train_size }: SplitOptions,
): { train: number; test: number } {
  const count = (size: number, round: (x: number) => number): number => (size < 1 ? round(size * n) : size)
  const wanted = test_size ?? (train_size === undefined ? 0.25 : undefined)
  const given = train_size === undefined ? undefined : count(train_size, Math.floor)
  const test = wanted === undefined ? n - (given ?? 0) : count(wanted, Math.ceil)
  const train = given ?? n - test
  if (train > 0 && test > 0 && test + train <= n) return { train, test }
  throw new RangeError(
    `[Dataset.train_test_split] ${train} training and ${test} test rows cannot be taken from ${n} rows`,
  )
}
