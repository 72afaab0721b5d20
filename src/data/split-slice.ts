/** One part of a split expression such as `train[10%:20%]`: a split's name and a range. */
export interface SplitPart {
  split: string
  /** Whether the range is the whole split. */
  isWhole: boolean
  /** [start, end) for a split with this many rows. */
  range(rows: number): [number, number]
}

/**
 * Parses `train`, `train[:200]`, `train[-100:]`, `train[10%:20%]`, and several of them joined with `+`. Throws
 * naming the form.
 */
export function parseSplit(expression: string): SplitPart[] {
  return expression.split('+').map((part) => {
    const match = /^\s*([\w.-]+)\s*(?:\[\s*(-?\d+)?(%)?\s*:\s*(-?\d+)?(%)?\s*\])?\s*$/.exec(part)
    if (!match?.[1]) {
      throw new Error(
        `[load_dataset] split '${expression}' is not understood; forms: train, train[:200], train[10%:20%], train+test`,
      )
    }
    const [, split, from, fromUnit, to, toUnit] = match
    return {
      split,
      isWhole: !part.includes('['),
      range: (rows) => [bound(from, fromUnit, rows, 0), bound(to, toUnit, rows, rows)],
    }
  })
}

/** Returns `split` if it is one of `names`; else throws, listing them. */
export function knownSplit(split: string, names: readonly string[]): string {
  if (names.includes(split)) return split
  throw new Error(`[load_dataset] unknown split '${split}'. Splits there are: ${names.join(', ')}`)
}

function bound(text: string | undefined, unit: string | undefined, rows: number, absent: number): number {
  if (text === undefined) return absent
  const value = unit === '%' ? roundHalfEven((Number(text) * rows) / 100) : Number(text)
  return Math.min(Math.max(value < 0 ? rows + value : value, 0), rows)
}

/** Python's `round`, so that percentages select the same rows. */
function roundHalfEven(x: number): number {
  const floor = Math.floor(x)
  const half = x - floor === 0.5
  return half ? floor + (floor % 2 === 0 ? 0 : 1) : Math.round(x)
}
