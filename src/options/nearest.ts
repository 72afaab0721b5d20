/** The number of edits (insert, delete, replace, swap neighbours) that turn `a` into `b`. */
function distance(a: string, b: string): number {
  const width = b.length + 1
  const cell = new Uint16Array((a.length + 1) * width)
  const at = (i: number, j: number): number => cell[i * width + j] ?? 0
  for (let i = 0; i <= a.length; i++) {
    for (let j = 0; j <= b.length; j++) {
      let best = i === 0 || j === 0 ? i + j : Infinity
      if (i > 0 && j > 0) {
        best = Math.min(
          at(i - 1, j) + 1,
          at(i, j - 1) + 1,
          at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
        )
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
          best = Math.min(best, at(i - 2, j - 2) + 1)
      }
      cell[i * width + j] = best
    }
  }
  return at(a.length, b.length)
}

// camelCase, kebab-case and snake_case spellings of one name are equal.
const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')

/**
 * The known name that `name` most likely means: fewest edits, at most a third of its length; else one of which
 * `name` is a prefix or that is a prefix of `name`. Undefined if none is close.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = plain(name)
  if (wanted === '') return undefined
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of known) {
    const d = distance(wanted, plain(candidate))
    if (d < bestDistance) [best, bestDistance] = [candidate, d]
  }
  if (best !== undefined || wanted.length < 3) return best
  return known.find(
    (k) => plain(k).startsWith(wanted) || (plain(k).length >= 3 && wanted.startsWith(plain(k))),
  )
}

/**
 * `TypeError` for an unknown name: `[owner] unknown <kind> '<name>'. Did you mean '<nearest>'?`. If no name is
 * near, it lists the known ones (the first 40).
 */
export function unknownNameError(
  owner: string,
  name: string,
  known: readonly string[],
  kind: string = 'option',
): TypeError {
  const near = nearest(name, known)
  const more = known.length > 40 ? `, ... (${known.length} in all)` : ''
  const hint =
    near === undefined ? `Known: ${known.slice(0, 40).join(', ')}${more}.` : `Did you mean '${near}'?`
  return new TypeError(`[${owner}] unknown ${kind} '${name}'. ${hint}`)
}
