import { z } from 'zod'

import type { Schema } from './declaration'

type JsonSchema = z.core.JSONSchema.BaseSchema

/** The parts of a schema that help texts and the command line need. */
export function toJsonSchema(schema: Schema<unknown>): JsonSchema {
  return z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' })
}

function range(s: JsonSchema): string {
  const parts: string[] = []
  if (typeof s.minimum === 'number' && s.minimum > Number.MIN_SAFE_INTEGER) parts.push(`>= ${s.minimum}`)
  if (typeof s.exclusiveMinimum === 'number') parts.push(`> ${s.exclusiveMinimum}`)
  if (typeof s.maximum === 'number' && s.maximum < Number.MAX_SAFE_INTEGER) parts.push(`<= ${s.maximum}`)
  if (typeof s.exclusiveMaximum === 'number') parts.push(`< ${s.exclusiveMaximum}`)
  return parts.length > 0 ? ` ${parts.join(' and ')}` : ''
}

function words(s: JsonSchema): string {
  if (s.description) return s.description
  if (Array.isArray(s.type)) return s.type.map((type) => words({ type })).join(' or ')
  if (s.anyOf) return [...new Set(s.anyOf.map((part) => words(part as JsonSchema)))].join(' or ')
  if (s.const !== undefined) return JSON.stringify(s.const).replaceAll('"', "'")
  if (s.enum) return `one of ${s.enum.map((v) => (typeof v === 'string' ? `'${v}'` : String(v))).join(', ')}`
  switch (s.type) {
    case 'integer':
      return `a whole number${range(s)}`
    case 'number':
      return `a number${range(s)}`
    case 'boolean':
      return 'true or false'
    case 'string':
      return s.minLength ? 'a text that is not empty' : 'a text'
    case 'array':
      return s.items && typeof s.items === 'object'
        ? `a list, each ${words(s.items as JsonSchema)}`
        : 'a list'
    case 'null':
      return 'null'
    case 'object':
      return 'an object'
    default:
      return 'another value'
  }
}

/**
 * The accepted values in words: "a number > 0", "one of 'no', 'steps', 'epoch'". A schema's own `.describe()`
 * has priority.
 */
export function describeSchema(schema: Schema<unknown>): string {
  return words(toJsonSchema(schema))
}
