import { toInteger } from './numbers'
import { arrayOf, Dict, ValueIterator, Undefined, defined, typeName, type Value } from './values'

/** The characters of a text as Python counts them: code points. */
export function points(text: string): string[] {
  return /[\ud800-\udfff]/.test(text) ? [...text] : text.split('')
}

/**
 * The items that a `for` loop over the value visits: a dict's keys, a text's characters. @throws TypeError for
 * a value that is not iterable.
 */
export function iterate(value: Value): readonly Value[] {
  const array = arrayOf(value)
  if (array) return array
  if (typeof value === 'string') return points(value)
  if (value instanceof Dict) return value.keys()
  if (value instanceof ValueIterator) return value.rest()
  if (value instanceof Undefined) return []
  throw new TypeError(`'${typeName(value)}' object is not iterable`)
}

/** Python's `len`. */
export function lengthOf(value: Value): number {
  const array = arrayOf(value)
  if (array) return array.length
  if (typeof value === 'string') return /[\ud800-\udfff]/.test(value) ? [...value].length : value.length
  if (value instanceof Dict) return value.size
  if (value instanceof Undefined) return 0
  throw new TypeError(`object of type '${typeName(value)}' has no len()`)
}

/** `value[start:stop:step]` of a text, list, tuple or range. */
export function slice(value: Value, start: Value, stop: Value, step: Value): Value {
  const items = typeof value === 'string' ? points(value) : arrayOf(defined(value))
  if (!items) throw new TypeError(`'${typeName(value)}' object is not subscriptable`)
  const by = step === null ? 1 : toInteger(step)
  if (by === 0) throw new Error('slice step cannot be zero')
  const n = items.length
  const [low, high] = by > 0 ? [0, n] : [-1, n - 1]
  const at = (bound: Value, otherwise: number): number => {
    if (bound === null) return otherwise
    const i = toInteger(bound)
    return Math.min(Math.max(i < 0 ? i + n : i, low), high)
  }
  const [from, to] = by > 0 ? [at(start, 0), at(stop, n)] : [at(start, n - 1), at(stop, -1)]
  const result: Value[] = []
  for (let i = from; by > 0 ? i < to : i > to; i += by) result.push(items[i] ?? null)
  if (typeof value === 'string') return result.join('')
  // Tuples stay tuples.
  return Array.isArray(value) ? likeOf(value, result) : result
}

/** A list or tuple of these items, of the same kind as `like`. */
export function likeOf(like: Value[], items: readonly Value[]): Value[] {
  const made = new (like.constructor as new () => Value[])()
  for (const item of items) made.push(item)
  return made
}
