/** A column's text. @throws TypeError naming row and column of what is none */
export function stringOf(value: unknown, column: string, index: number): string {
  if (typeof value === 'string') return value
  throw new TypeError(
    `[SFT] row ${index}: ${column} gave ${value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value}, needs one string`,
  )
}
