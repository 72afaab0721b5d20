import { z } from 'zod'

import type { Option } from './declaration'

// Options whose values are the caller's objects or functions, not data.

/** Called with the amount done and the total. */
export type Progress = (done: number, total: number) => void

/** An object option. `type` is its TypeScript type; `fits` describes in words what passes `check`. */
export function object<T>(
  type: string,
  fits: string,
  check: (value: unknown) => boolean,
  doc: string,
): Omit<Option<T>, 'default'> {
  return { schema: z.custom<T>(check).describe(fits), doc, type }
}

/** The same, but it may be absent. */
export function optionalObject<T>(...about: Parameters<typeof object>): Option<T | undefined> {
  return { ...object<T | undefined>(...about), default: undefined }
}

export function optionalFunction<T>(type: string, doc: string): Option<T | undefined> {
  return optionalObject(type, 'a function', (value) => typeof value === 'function', doc)
}

export const signal: Option<AbortSignal | undefined> = optionalObject(
  'AbortSignal',
  'an AbortSignal',
  (value) => typeof (value as AbortSignal | null)?.throwIfAborted === 'function',
  'Aborts the call: it then rejects with the reason of the signal.',
)
