/**
 * The parts of a pattern: a test for one character; `name` and `path`, any characters without and with slashes;
 * `folders`, nothing or everything up to a slash (written as two parts, so that each is one state).
 */
type Part = ((char: string) => boolean) | 'name' | 'path' | 'folders' | 'upToSlash'

/** The most patterns that the braces of one pattern may expand to. */
const MOST_ALTERNATIVES = 1000

/**
 * Keeps the paths that match one of `allow` (default: all) and none of `ignore`. Patterns are those of Python's
 * fnmatch, as huggingface_hub uses them: `*` any characters including slashes; `?` one; `[a-z]`, `[!a-z]`. A
 * pattern that ends in `/` matches everything below that folder.
 */
export function filterPaths(
  paths: readonly string[],
  allow: string | readonly string[] | undefined,
  ignore: string | readonly string[] | undefined,
): string[] {
  const parse = (pattern: string): Part[] =>
    partsOf(pattern.endsWith('/') ? `${pattern}*` : pattern, () => 'path', true)
  const allowed = allow === undefined ? undefined : [allow].flat().map(parse)
  const ignored = [ignore ?? []].flat().map(parse)
  return paths.filter(
    (path) =>
      (allowed?.some((one) => matches(one, path)) ?? true) && !ignored.some((one) => matches(one, path)),
  )
}

/**
 * A test for paths, from a pattern as `load_dataset` accepts it: `*` and `?` within a name, `**` across
 * folders, `[a-z]`, `[!a-z]`, `{a,b}`. Its time is proportional to pattern times path.
 *
 * @throws Error for braces that expand to more than 1,000 patterns.
 */
export function globMatcher(pattern: string): (path: string) => boolean {
  const star = (stars: string): Part => (stars === '*' ? 'name' : stars === '**' ? 'path' : 'folders')
  const all = alternatives(pattern).map((one) => partsOf(one, star, false))
  return (path) => all.some((parts) => matches(parts, path))
}

function alternatives(pattern: string): string[] {
  const done: string[] = []
  const open = [pattern]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const braces = /\{([^{}]*)\}/.exec(next)
    if (!braces) done.push(next)
    else {
      const [before, after] = [next.slice(0, braces.index), next.slice(braces.index + braces[0].length)]
      for (const choice of braces[1]!.split(',')) open.push(before + choice + after)
    }
    if (open.length + done.length > MOST_ALTERNATIVES)
      throw new Error(`'${pattern}': its braces stand for more than ${MOST_ALTERNATIVES} patterns`)
  }
  return done
}

function partsOf(pattern: string, star: (stars: string) => Part, slashes: boolean): Part[] {
  const tokens = pattern.match(/\*\*\/|\*+|\[!?\]?[^\]]*\]|[\s\S]/gu) ?? []
  return tokens.flatMap((token): Part[] => {
    if (token.startsWith('*')) {
      // fnmatch has no `**/`: there the slash is an ordinary character.
      const part = star(token === '**/' && slashes ? '*' : token.replace(/^\*{3,}$/, '**'))
      if (part === 'folders') return ['folders', 'upToSlash']
      return token.endsWith('/') ? [part, (char) => char === '/'] : [part]
    }
    if (token === '?') return [(char) => slashes || char !== '/']
    if (token.length > 1 && token.startsWith('[')) return [setTest(token.slice(1, -1))]
    return [(char) => char === token]
  })
}

function setTest(inner: string): (char: string) => boolean {
  const negative = inner.startsWith('!')
  const chars = Array.from(negative ? inner.slice(1) : inner)
  const ranges: [from: string, to: string][] = []
  for (let i = 0; i < chars.length; i++) {
    const range = chars[i + 1] === '-' && chars[i + 2] !== undefined
    ranges.push([chars[i]!, chars[range ? i + 2 : i]!])
    if (range) i += 2
  }
  const code = (char: string): number => char.codePointAt(0)!
  return (char) =>
    ranges.some(([from, to]) => code(char) >= code(from) && code(char) <= code(to)) !== negative
}

/** Follows all paths through the pattern at once: `states[i]` means that part i may come next. */
function matches(parts: readonly Part[], path: string): boolean {
  let states = new Uint8Array(parts.length + 2)
  enter(parts, states, 0)
  for (const char of path) {
    const next = new Uint8Array(parts.length + 2)
    for (const [i, part] of parts.entries()) {
      if (!states[i]) continue
      if (typeof part === 'function') {
        if (part(char)) enter(parts, next, i + 1)
      } else if (part === 'path' || (part === 'name' && char !== '/')) enter(parts, next, i)
      else if (part === 'upToSlash') {
        enter(parts, next, i)
        if (char === '/') enter(parts, next, i + 1)
      }
    }
    states = next
  }
  return states[parts.length] === 1
}

/** Marks a state, and those that can be reached from it without a character. */
function enter(parts: readonly Part[], states: Uint8Array, state: number): void {
  let at = state
  while (!states[at]) {
    states[at] = 1
    const part = parts[at]
    if (part === 'folders') {
      enter(parts, states, at + 2)
      at++
    } else if (part === 'name' || part === 'path') at++
    else return
  }
}
