import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { ParsedGenerateOptions } from './options'

/**
 * Why an answer ended: an end token or stop string, the length limit, max_time, a stopping criterion, or an
 * error.
 */
export type FinishReason = 'stop' | 'length' | 'time' | 'criterion' | 'error'

/** Why the sequence ends with its newest token; undefined: it continues. */
export type StopCheck = (ids: readonly number[], scores: Float32Array) => Promise<FinishReason | undefined>

/**
 * A sequence ends at the first of these. `ends`: token ids; `limit`: the most tokens of prompt and answer
 * together.
 */
export function stopCheck(
  o: ParsedGenerateOptions,
  { ends, limit, began }: { ends: readonly number[]; limit: number; began: number },
): StopCheck {
  const endSet = new Set(ends)
  const strings = o.stop_strings === null ? [] : [o.stop_strings].flat()
  return async (ids, scores) => {
    if (endSet.has(ids.at(-1)!)) return 'stop'
    if (strings.length > 0 && (await completesString(ids, strings, o.tokenizer!))) return 'stop'
    if ((o.stopping_criteria ?? []).some((criterion) => criterion(ids, scores))) return 'criterion'
    if (ids.length >= limit) return 'length'
    if (o.max_time !== null && (performance.now() - began) / 1000 > o.max_time) return 'time'
    return undefined
  }
}

/** Whether the text of the newest token completes one of the strings, which may begin in earlier tokens. */
async function completesString(
  ids: readonly number[],
  strings: readonly string[],
  tokenizer: PreTrainedTokenizer,
): Promise<boolean> {
  const longest = Math.max(...strings.map((text) => text.length))
  // A character can take up to four tokens of single bytes.
  const tail = ids.slice(-(4 * longest + 4))
  const [before = '', after = ''] = await tokenizer.batch_decode([tail.slice(0, -1), tail])
  let same = 0
  while (same < before.length && before[same] === after[same]) same++
  return strings.some((text) => {
    const at = after.lastIndexOf(text)
    return at !== -1 && at + text.length > same
  })
}
