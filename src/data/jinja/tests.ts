import { REQUIRED, bind, type Parameters } from './arguments'
import { compare, contains, equals } from './compare'
import type { Rendering } from './filter'
import { arithmetic, numberOf } from './numbers'
import { textOf } from './python-text'
import {
  arrayOf,
  Attributes,
  Dict,
  Float,
  Func,
  Undefined,
  ValueIterator,
  typeName,
  type Args,
  type Value,
} from './values'

export type Test = (rendering: Rendering, value: Value, args: Args) => boolean

/** The tests that can follow `is`. */
export const tests: Map<string, Test> = new Map()

const add = (
  names: string,
  parameters: Parameters,
  run: (rendering: Rendering, value: Value, ...args: Value[]) => boolean,
): void => {
  for (const name of names.split(' '))
    tests.set(name, (rendering, value, args) => run(rendering, value, ...bind(name, parameters, args)))
}

const isInteger = (value: Value): boolean =>
  typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))

add('defined', {}, (_, value) => !(value instanceof Undefined))
add('undefined', {}, (_, value) => value instanceof Undefined)
add('none', {}, (_, value) => value === null)
add('boolean', {}, (_, value) => typeof value === 'boolean')
add('true', {}, (_, value) => value === true)
add('false', {}, (_, value) => value === false)
add('integer', {}, (_, value) => isInteger(value))
add('float', {}, (_, value) => value instanceof Float || (typeof value === 'number' && !isInteger(value)))
add('number', {}, (_, value) => numberOf(value) !== undefined)
add('string', {}, (_, value) => typeof value === 'string')
add('mapping', {}, (_, value) => value instanceof Dict)
add('sequence', {}, (_, value) => {
  // jinja2 tests for a length and item access: dicts and missing values have both; views and iterators do not.
  return typeof value === 'string' || value instanceof Dict || value instanceof Undefined || isIndexed(value)
})
add('iterable', {}, (_, value) => {
  return typeof value === 'string' || arrayOf(value) !== undefined || isOtherIterable(value)
})
add('callable', {}, (_, value) => {
  // A missing value has a `__call__`, which throws.
  return (
    value instanceof Func ||
    value instanceof Undefined ||
    (value instanceof Attributes && value.call !== undefined)
  )
})
add('escaped', {}, () => false)
add('lower', {}, ({ budget }, value) => isCased(textOf(value, budget), /\p{Ll}/u, /[\p{Lu}\p{Lt}]/u))
add('upper', {}, ({ budget }, value) => isCased(textOf(value, budget), /\p{Lu}/u, /[\p{Ll}\p{Lt}]/u))
add('odd', {}, (_, value) => remainder(value, 2) === 1)
add('even', {}, (_, value) => remainder(value, 2) === 0)
add('divisibleby', { num: REQUIRED }, (_, value, by = 0) => remainder(value, by) === 0)
add('sameas', { other: REQUIRED }, (_, value, other = null) => value === other)
add('in', { seq: REQUIRED }, ({ budget }, value, container = null) => contains(container, value, budget))
add('== eq equalto', { other: REQUIRED }, ({ budget }, value, other = null) => equals(value, other, budget))
add('!= ne', { other: REQUIRED }, ({ budget }, value, other = null) => !equals(value, other, budget))
add(
  '< lt lessthan',
  { other: REQUIRED },
  ({ budget }, value, other = null) => compare(value, other, budget, '<') < 0,
)
add(
  '<= le',
  { other: REQUIRED },
  ({ budget }, value, other = null) => compare(value, other, budget, '<=') <= 0,
)
add(
  '> gt greaterthan',
  { other: REQUIRED },
  ({ budget }, value, other = null) => compare(value, other, budget, '>') > 0,
)
add(
  '>= ge',
  { other: REQUIRED },
  ({ budget }, value, other = null) => compare(value, other, budget, '>=') >= 0,
)

function isIndexed(value: Value): boolean {
  return arrayOf(value) !== undefined && !typeName(value).startsWith('dict_')
}

function isOtherIterable(value: Value): boolean {
  return value instanceof Dict || value instanceof ValueIterator || value instanceof Undefined
}

function isCased(text: string, wanted: RegExp, other: RegExp): boolean {
  return wanted.test(text) && !other.test(text)
}

function remainder(value: Value, by: Value): number {
  const [a, b] = [numberOf(value), numberOf(by)]
  if (!a || !b)
    throw new TypeError(`unsupported operand type(s) for %: '${typeName(value)}' and '${typeName(by)}'`)
  return Number(numberOf(arithmetic('%', a, b))?.value)
}
