import type { Schema } from './declaration'
import { toJsonSchema } from './describe'

export type Kind = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object'

type JsonSchema = ReturnType<typeof toJsonSchema>

function collect(schema: JsonSchema, kinds: Set<Kind>): Set<Kind> {
  for (const part of schema.anyOf ?? []) collect(part as JsonSchema, kinds)
  for (const type of [schema.type ?? []].flat()) kinds.add(type === 'integer' ? 'number' : (type as Kind))
  return kinds
}

/** The kinds of JSON values that a schema accepts. */
export function kindsOf(schema: Schema<unknown>): ReadonlySet<Kind> {
  return collect(toJsonSchema(schema), new Set())
}

/** Used for an option without a schema. */
export const anyKind: ReadonlySet<Kind> = new Set<Kind>([
  'null',
  'boolean',
  'number',
  'string',
  'array',
  'object',
])

const TRUE = /^(true|yes|on|t|y|1)$/i
const FALSE = /^(false|no|off|f|n|0)$/i

function one(kinds: ReadonlySet<Kind>, text: string): unknown {
  if (kinds.has('null') && /^(none|null)$/i.test(text)) return null
  if (kinds.has('number') && text.trim() !== '' && !Number.isNaN(Number(text))) return Number(text)
  if (kinds.has('boolean') && TRUE.test(text)) return true
  if (kinds.has('boolean') && FALSE.test(text)) return false
  if ((kinds.has('object') && text.startsWith('{')) || (kinds.has('array') && text.startsWith('['))) {
    try {
      return JSON.parse(text) as unknown
    } catch {
      return text
    }
  }
  return text
}

/**
 * Parses the words after `--option`. It does not validate: words that fit none of the kinds stay text, and the
 * option's own check reports them. A list takes any number of words, other kinds take one.
 */
export function fromText(kinds: ReadonlySet<Kind>, words: readonly string[]): unknown {
  const [first, ...more] = words
  if (first === undefined) return kinds.has('boolean') ? true : undefined
  const value = one(kinds, first)
  if (more.length === 0 && (kinds.has('string') || typeof value !== 'string' || !kinds.has('array')))
    return value
  return kinds.has('array') ? words.map((word) => one(kinds, word)) : words
}
