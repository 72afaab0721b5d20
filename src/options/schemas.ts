import { z } from 'zod'

import type { Schema } from './declaration'

// Schemas that several option classes share.

/** Data types by their torch names. `torch.float16` is read as `float16`, and null as the default `absent`. */
export function dtypeSchema<N extends string>(names: readonly N[], absent: N): Schema<N> {
  return z.preprocess(
    (value) => (value === null ? absent : typeof value === 'string' ? value.replace(/^torch\./, '') : value),
    z.enum(names),
  ) as unknown as Schema<N>
}

/** The TypeScript type that `dtypeSchema` accepts. */
export function dtypeInput(names: readonly string[]): string {
  const plain = names.map((name) => `'${name}'`)
  return [...plain, ...names.map((name) => `'torch.${name}'`), 'null'].join(' | ')
}

/** One name, or a list of names; null for none. */
export const nameOrNames: Schema<string | string[] | null> = z
  .union([z.string().min(1), z.array(z.string().min(1)), z.null()])
  .describe('a text, a list of texts, or null')

export const names: Schema<string[] | null> = z.array(z.string().min(1)).nullable()

export const text: Schema<string> = z.string()
export const textOrNull: Schema<string | null> = z.string().nullable()
export const flag: Schema<boolean> = z.boolean()
export const flagOrNull: Schema<boolean | null> = z.boolean().nullable()

/** A whole number of at least `min`. */
export function count(min: number): Schema<number> {
  return z.int().min(min)
}

export function countOrNull(min: number): Schema<number | null> {
  return z.int().min(min).nullable()
}

export interface Bounds {
  readonly min?: number
  readonly above?: number
  readonly max?: number
  readonly below?: number
}

/** A finite number within bounds: `min` and `max` included, `above` and `below` excluded. */
export function real({ min, above, max, below }: Bounds = {}): Schema<number> {
  let schema = z.number()
  if (min !== undefined) schema = schema.min(min)
  if (above !== undefined) schema = schema.gt(above)
  if (max !== undefined) schema = schema.max(max)
  if (below !== undefined) schema = schema.lt(below)
  return schema
}

export function realOrNull(bounds: Bounds = {}): Schema<number | null> {
  return (real(bounds) as z.ZodNumber).nullable()
}

export function oneOf<N extends string>(...choices: readonly N[]): Schema<N> {
  return z.enum(choices) as unknown as Schema<N>
}

/** Numbers by name, such as `rank_pattern`. */
export function numbersByName(each: 'count' | 'real'): Schema<Record<string, number>> {
  const value = each === 'count' ? z.int().min(1) : z.number()
  const what = each === 'count' ? 'whole numbers >= 1' : 'numbers'
  return z.record(z.string(), value).describe(`an object with ${what} by name`)
}

/** `schema`, or undefined, which is the default. */
export function optional<T>(schema: Schema<T>): Schema<T | undefined> {
  return (schema as z.ZodType<T>).optional()
}
