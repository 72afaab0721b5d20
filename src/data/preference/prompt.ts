import { isDeepStrictEqual } from 'node:util'
import type { Said } from './said'

/** A preference, with its prompt. */
export interface Pair {
  prompt: Said
  chosen: Said
  rejected: Said
}

/**
 * Takes the prompt out of two answers that both begin with it, as TRL's `extract_prompt`: what they share at their beginning; of texts
 * without the space before the first difference. When one answer is the beginning of the other, its last turn or character is the answer.
 * Both must be of one kind and not empty.
 */
export function extractPrompt(chosen: Said, rejected: Said): Pair {
  return typeof chosen === 'string'
    ? ofTexts([...chosen], [...(rejected as string)])
    : ofTurns(chosen, rejected as typeof chosen)
}

// Characters, not UTF-16 units: a prompt may not end within one.
function ofTexts(chosen: string[], rejected: string[]): Pair {
  const parted = parting(chosen, rejected)
  const at = chosen[parted] !== rejected[parted] && chosen[parted - 1] === ' ' ? parted - 1 : parted
  const cut = (text: string[], from: number, to?: number): string => text.slice(from, to).join('')
  return { prompt: cut(chosen, 0, at), chosen: cut(chosen, at), rejected: cut(rejected, at) }
}

function ofTurns<T extends object>(chosen: T[], rejected: T[]): { prompt: T[]; chosen: T[]; rejected: T[] } {
  const at = parting(chosen, rejected)
  return { prompt: chosen.slice(0, at), chosen: chosen.slice(at), rejected: rejected.slice(at) }
}

/** The first place where the two differ, else the last that both have. */
function parting(one: readonly unknown[], other: readonly unknown[]): number {
  const shared = Math.min(one.length, other.length)
  for (let i = 0; i < shared; i++) if (!isDeepStrictEqual(one[i], other[i])) return i
  return Math.max(0, shared - 1)
}
