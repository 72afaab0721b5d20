/**
 * Guesses the next tokens: those that followed the first earlier occurrence of the longest run of up to `ngram`
 * last tokens (transformers' PromptLookupCandidateGenerator). At most `count`, none of `ends`.
 */
export function lookUp(
  ids: readonly number[],
  { count, ngram, ends }: { count: number; ngram: number; ends: readonly number[] },
): number[] {
  for (let size = Math.min(ngram, ids.length - 1); size > 0; size--) {
    for (let begin = 0; begin + size < ids.length; begin++) {
      let same = 0
      while (same < size && ids[begin + same] === ids[ids.length - size + same]) same++
      if (same < size) continue
      const found = ids.slice(begin + size, begin + size + count)
      const end = found.findIndex((id) => ends.includes(id))
      return end === -1 ? found : found.slice(0, end)
    }
  }
  return []
}
