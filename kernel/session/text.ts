/** Converts a position: Jupyter counts code points, JavaScript UTF-16 units. */
export function toUnits(text: string, points: number): number {
  let units = 0
  for (const character of text) {
    if (points-- <= 0) break
    units += character.length
  }
  return units
}

export function toPoints(text: string, units: number): number {
  return [...text.slice(0, units)].length
}
