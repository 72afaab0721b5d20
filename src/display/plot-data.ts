/** An array, a typed array, or a tensor. */
export type Numbers =
  ArrayLike<number | bigint> | { data(): Promise<ArrayLike<number | bigint>>; shape: readonly number[] }

/** @throws RangeError without numbers, TypeError when something is none. */
export async function numbersOf(what: string, given: Numbers): Promise<number[]> {
  if (given === null || given === undefined)
    throw new TypeError(`[plot] ${what} is missing: give numbers or a tensor`)
  const values =
    typeof (given as { data?: unknown }).data === 'function'
      ? await (given as { data(): Promise<ArrayLike<number>> }).data()
      : given
  const numbers = Array.from(values as ArrayLike<number | bigint>, Number)
  if (numbers.length === 0) throw new RangeError(`[plot] ${what} is empty: there is nothing to draw`)
  if (!numbers.some(Number.isFinite)) throw new TypeError(`[plot] ${what} has no finite number`)
  return numbers
}

/** How many values lie between each two edges; the last bin has both its edges. */
export function bin(values: readonly number[], bins: number): { edges: number[]; counts: number[] } {
  if (!Number.isInteger(bins) || bins < 1 || bins > 1000)
    throw new RangeError(`[plot] bins: got ${bins}, needs a whole number from 1 to 1000`)
  const finite = values.filter(Number.isFinite)
  let [low, high] = extent(finite)
  if (low === high) [low, high] = [low - 0.5, high + 0.5]
  const counts = new Array<number>(bins).fill(0)
  for (const value of finite)
    counts[Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins))]! += 1
  return { edges: Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins), counts }
}

const MOST = 128

/** Means of squares of `by` x `by` numbers, where there are more than 128 a side. */
export function pooled(rows: readonly number[][]): { rows: number[][]; by: number } {
  const by = Math.ceil(Math.max(rows.length, rows[0]!.length) / MOST)
  if (by === 1) return { rows: [...rows], by }
  const sizes = [Math.ceil(rows.length / by), Math.ceil(rows[0]!.length / by)] as const
  const mean = (i: number, j: number): number => {
    const square = rows.slice(i * by, (i + 1) * by).flatMap((row) => row.slice(j * by, (j + 1) * by))
    return square.reduce((sum, value) => sum + value, 0) / square.length
  }
  return {
    rows: Array.from({ length: sizes[0] }, (_, i) => Array.from({ length: sizes[1] }, (_, j) => mean(i, j))),
    by,
  }
}

/** The lowest and the highest of the values. */
export function extent(values: readonly number[]): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)]
  return [low, high]
}
