/**
 * Scores of the tokens of a SentencePiece BPE model, which a tokenizer.json does not contain: minus the rank of
 * the first merge that makes the token. llama.cpp merges the pair whose result has the highest score, which is
 * the pair of the lowest rank.
 */
export function sentencePieceScores(
  tokens: readonly string[],
  merges: readonly (string | readonly [string, string])[],
): number[] {
  const ranks = new Map<string, number>()
  for (const [rank, pair] of merges.entries()) {
    // In a merge as one text, the first space separates its halves; SentencePiece writes spaces as U+2581.
    const made = typeof pair === 'string' ? pair.replace(' ', '') : pair.join('')
    if (!ranks.has(made)) ranks.set(made, rank)
  }
  return tokens.map((token) => -(ranks.get(token) ?? merges.length))
}

/** Whether a space is added before a text: by a normalizer or by the Metaspace pre-tokenizer. */
export function spaceIsPrefixed(json: Readonly<Record<string, unknown>>): boolean {
  return [json['normalizer'], json['pre_tokenizer']].some(prefixes)
}

function prefixes(step: unknown): boolean {
  if (typeof step !== 'object' || step === null) return false
  const { type, normalizers, pretokenizers, prepend_scheme } = step as Record<string, unknown>
  if (Array.isArray(normalizers)) return normalizers.some(prefixes)
  if (Array.isArray(pretokenizers)) return pretokenizers.some(prefixes)
  return type === 'Prepend' || (type === 'Metaspace' && prepend_scheme !== 'never')
}
