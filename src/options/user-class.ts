import { z } from 'zod'

import { knownNames, optionTable, type Option, type OptionSet, type Schema } from './declaration'
import { parseOptions, show } from './parse'

/** A class whose options are declared: TrainingArguments, SFTConfig, LoraConfig, BitsAndBytesConfig. */
export interface DeclaredClass {
  new (init: never): object
  readonly options: OptionSet<object>
}

/**
 * A class of your own, like Python's dataclasses: its fields are its options, and their initial values the
 * defaults. A field without an initial value (`name!: string`) must be given. `help` describes each field.
 */
export interface FieldsClass {
  new (): object
  readonly help?: Readonly<Record<string, string>>
}

export type ArgumentsClass = DeclaredClass | FieldsClass

/** How to make instances of a class from options. */
export interface Arguments {
  readonly set: OptionSet<object>
  make(given: Record<string, unknown>): object
}

const schemas: Readonly<Record<string, z.ZodType>> = {
  string: z.string().nullable(),
  number: z.number().nullable(),
  boolean: z.boolean().nullable(),
  list: z.array(z.unknown()).nullable().describe('a list or null'),
  // Words of a command line become numbers if the default contains numbers.
  numbers: z.array(z.coerce.number()).nullable().describe('a list of numbers or null'),
  object: z.record(z.string(), z.unknown()).nullable().describe('an object or null'),
  any: z
    .union([z.string(), z.number(), z.boolean(), z.array(z.unknown()), z.record(z.string(), z.unknown())])
    .nullable()
    .describe('a value'),
}

/** The option that a field declares by its initial value. A field that is initially null accepts any value. */
function optionOf(value: unknown, doc: string): Option<unknown> {
  const list = Array.isArray(value) && (typeof value[0] === 'number' ? 'numbers' : 'list')
  const kind = list ? list : value === null || value === undefined ? 'any' : typeof value
  const schema = (schemas[kind] ?? schemas['any']) as Schema<unknown>
  return { schema, default: value, doc, ...(value === undefined && { required: true as const }) }
}

/**
 * The options of a class: those that it declares, or its fields, or, for a subclass of a class that declares
 * options, both. There, a field with the name of an option changes its default.
 * @throws TypeError if `given` is no such class.
 */
export function argumentsOf(given: unknown, owner: string): Arguments {
  const fits = `a class with fields, or TrainingArguments, SFTConfig, LoraConfig, BitsAndBytesConfig`
  if (typeof given !== 'function') throw new TypeError(`[${owner}] got ${show(given)}; needs ${fits}`)
  const declared = declaringClass(given)
  if (declared === given) return { set: declared.options, make: (init) => new declared(init as never) }
  const Class = given as FieldsClass
  const fresh = freshOf(Class, owner)
  const { help = {} } = Class
  const base = declared ? optionTable(declared.options) : {}
  // A subclass's instance also has the fields that the base sets; their values are not new defaults.
  const inherited = declared ? (new declared({} as never) as Record<string, unknown>) : {}
  const own = Object.entries(fresh).filter(
    ([name, value]) => !(name in inherited) || value !== inherited[name],
  )
  const options: Record<string, Option<unknown>> = { ...base }
  for (const [name, value] of own)
    options[name] = base[name] ? { ...base[name], default: value } : optionOf(value, help[name] ?? '')
  if (Object.keys(options).length === 0)
    throw new TypeError(`[${owner}] the class ${Class.name} has no fields; needs ${fits}`)
  const set = {
    owner: Class.name || 'a class',
    options,
    refused: declared?.options.refused ?? {},
  } as OptionSet<object>
  return { set, make: (init) => instanceOf(Class, declared, set, init) }
}

function instanceOf(
  Class: FieldsClass,
  declared: DeclaredClass | undefined,
  set: OptionSet<object>,
  given: Record<string, unknown>,
): object {
  const instance = new Class()
  if (!declared) return Object.assign(instance, parseOptions(set, given))
  const ofBase = new Set(knownNames(declared.options))
  const defaults = Object.entries(optionTable(set)).map(([name, option]) => [name, option.default] as const)
  const split = (isBase: boolean): Record<string, unknown> => {
    const spelled = Object.entries(given).filter(([name]) => ofBase.has(name) === isBase)
    return Object.fromEntries(spelled)
  }
  const fields = Object.fromEntries(
    Object.entries(optionTable(set)).filter(([name]) => !ofBase.has(name)),
  ) as OptionSet<object>['options']
  const changed = defaults.filter(
    ([name, value]) => ofBase.has(name) && value !== optionTable(declared.options)[name]?.default,
  )
  const base = new declared({ ...Object.fromEntries(changed), ...split(true) } as never)
  return Object.assign(instance, base, parseOptions({ ...set, options: fields, refused: {} }, split(false)))
}

/** The class itself or the nearest one it extends that declares options. */
function declaringClass(given: unknown): DeclaredClass | undefined {
  for (let at = given; typeof at === 'function'; at = Object.getPrototypeOf(at) as unknown)
    if (Object.hasOwn(at, 'options') && typeof (at as unknown as DeclaredClass).options?.owner === 'string')
      return at as unknown as DeclaredClass
  return undefined
}

function freshOf(Class: FieldsClass, owner: string): Record<string, unknown> {
  try {
    return { ...(new Class() as Record<string, unknown>) }
  } catch (error) {
    throw new TypeError(
      `[${owner}] ${Class.name || 'a class'} cannot be made without arguments: ${(error as Error).message}`,
      { cause: error },
    )
  }
}
