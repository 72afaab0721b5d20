/** The first index of `part` in `ids` from `from` on, or -1. */
export function indexOfIds(ids: ArrayLike<number>, part: readonly number[], from: number = 0): number {
  for (let at = from; at + part.length <= ids.length; at++)
    if (part.every((id, i) => ids[at + i] === id)) return at
  return -1
}

/** The indices of all occurrences of `part` in `ids` that do not overlap. */
export function placesOfIds(ids: ArrayLike<number>, part: readonly number[]): number[] {
  const places: number[] = []
  if (part.length === 0) return places
  for (let at = indexOfIds(ids, part); at >= 0; at = indexOfIds(ids, part, at + part.length)) places.push(at)
  return places
}
