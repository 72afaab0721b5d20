/**
 * Keeps the paths that match one of `allow` (all, when not given) and none of `ignore`. Patterns are Python's fnmatch,
 * as huggingface_hub uses them: `*` any characters, slashes too; `?` one; `[a-z]`, `[!a-z]`; a pattern that ends in
 * `/` stands for all below that folder.
 */
export function filterPaths(
  paths: readonly string[],
  allow: string | readonly string[] | undefined,
  ignore: string | readonly string[] | undefined,
): string[] {
  const allowed = allow === undefined ? undefined : [allow].flat().map(toRegExp)
  const ignored = [ignore ?? []].flat().map(toRegExp)
  return paths.filter(
    (path) => (allowed?.some((one) => one.test(path)) ?? true) && !ignored.some((one) => one.test(path)),
  )
}

function toRegExp(pattern: string): RegExp {
  const whole = pattern.endsWith('/') ? `${pattern}*` : pattern
  const source = whole.replace(/\[!?\]?[^\]]*\]|[\s\S]/g, (part) => {
    if (part === '*') return '.*'
    if (part === '?') return '.'
    if (part.length === 1) return part.replace(/[\\^$.|+()[\]{}]/, '\\$&')
    const inner = part.slice(1, -1).replace(/[\\\]^[]/g, '\\$&')
    return inner.startsWith('!') ? `[^${inner.slice(1)}]` : `[${inner}]`
  })
  return new RegExp(`^${source}$`, 's')
}
