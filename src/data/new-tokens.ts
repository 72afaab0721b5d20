import { show } from '../options/parse'
import { specialTokenNames, tokenContent, type SpecialTokenName } from './special-tokens'

/** A token as Python's `AddedToken` is written: its text alone counts here. */
export type NewToken = string | { content: string }

/** What `add_special_tokens` takes. The two lists are one, under its old and its new name. */
export type SpecialTokensToAdd = Partial<
  Record<SpecialTokenName, NewToken> &
    Record<'additional_special_tokens' | 'extra_special_tokens', readonly NewToken[]>
>

/** @throws TypeError on what is neither a token nor a list of them */
export function tokenTexts(owner: string, given: unknown): string[] {
  const tokens = (Array.isArray(given) ? given : [given]).map(tokenContent)
  const wrong = tokens.findIndex((token) => token === null || token === '')
  if (wrong < 0) return tokens as string[]
  const value: unknown = Array.isArray(given) ? given[wrong] : given
  throw new TypeError(`[tokenizer.${owner}] got ${show(value)}, needs a token: a text that is not empty`)
}

/** Tokens by their names, and those without one. @throws TypeError on a name that is none */
export function specialTokensToAdd(given: SpecialTokensToAdd): {
  named: Partial<Record<SpecialTokenName, string>>
  extra: string[]
} {
  const owner = 'add_special_tokens'
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new TypeError(
      `[tokenizer.${owner}] got ${show(given)}, needs an object, e.g. { pad_token: '<pad>', extra_special_tokens: ['<call>'] }`,
    )
  const named: Partial<Record<SpecialTokenName, string>> = {}
  let extra: string[] = []
  for (const [key, value] of Object.entries(given) as [string, unknown][]) {
    if (key === 'additional_special_tokens' || key === 'extra_special_tokens') {
      if (!Array.isArray(value))
        throw new TypeError(`[tokenizer.${owner}] ${key}: got ${show(value)}, needs a list of tokens`)
      extra = [...extra, ...tokenTexts(owner, value)]
    } else if ((specialTokenNames as readonly string[]).includes(key)) {
      if (Array.isArray(value))
        throw new TypeError(`[tokenizer.${owner}] ${key}: got ${show(value)}, needs one token`)
      named[key as SpecialTokenName] = tokenTexts(owner, value)[0]!
    } else
      throw new TypeError(
        `[tokenizer.${owner}] '${key}' is not supported; supported: ${specialTokenNames.join(', ')}, extra_special_tokens`,
      )
  }
  return { named, extra }
}
