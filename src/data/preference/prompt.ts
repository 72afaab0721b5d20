import { isDeepStrictEqual } from 'node:util'
import type { Said } from './said'

/** A preference pair with its prompt. */
export interface Pair {
  prompt: Said
  chosen: Said
  rejected: Said
}

/**
 * Extracts the prompt from two answers that both begin with it, like TRL's `extract_prompt`: their common
 * beginning; for texts without the space before the first difference. If one answer is the beginning of the
 * other, its last turn or character is the answer. Both must be of one kind and not empty.
 */
export function extractPrompt(chosen: Said, rejected: Said): Pair {
  return typeof chosen === 'string'
    ? ofTexts([...chosen], [...(rejected as string)])
    : ofTurns(chosen, rejected as typeof chosen)
}

// Characters, not UTF-16 units: a prompt must not end inside one.
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

/** The first index where the two differ, else the last index that both have. */
function parting(one: readonly unknown[], other: readonly unknown[]): number {
  const shared = Math.min(one.length, other.length)
  for (let i = 0; i < shared; i++) if (!isDeepStrictEqual(one[i], other[i])) return i
  return Math.max(0, shared - 1)
}
