/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`. */
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

// camelCase, kebab-case and snake_case spellings of one name should meet.
const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')

/**
 * The known name that `name` most likely stands for: fewest edits, at most a third of its length; else a known name
 * that begins with it or that it begins with. Undefined when nothing is close.
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
 * `TypeError` for a name that does not exist: `[owner] unknown <kind> '<name>'. Did you mean '<nearest>'?`; without a
 * near name it lists what there is (the first 40).
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
