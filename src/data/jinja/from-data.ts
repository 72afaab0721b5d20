import { isFloat } from '../../files/json'
import type { Budget } from './limits'
import { float } from './numbers'
import { Dict, Float, type Value } from './values'

/**
 * Converts data to template values: texts, numbers, lists and dicts. Anything else becomes its type's name in
 * angle brackets, as in transformers. A number beyond 2^53 that is not a bigint is a float.
 */
export function fromData(data: unknown, budget: Budget): Value {
  budget.spend()
  if (data === null || data === undefined) return null
  if (typeof data === 'string' || typeof data === 'boolean') return data
  if (typeof data === 'number') return Number.isSafeInteger(data) && !Object.is(data, -0) ? data : float(data)
  if (typeof data === 'bigint') return data
  if (Array.isArray(data)) return data.map((item, i) => entry(data, i, item, budget))
  if (data instanceof Map)
    return new Dict([...data].map(([key, value]) => [fromData(key, budget), fromData(value, budget)]))
  if (typeof data === 'object' && isPlain(data)) {
    const entries = Object.entries(data).filter(([, value]) => value !== undefined)
    return new Dict(entries.map(([key, value]) => [key, entry(data, key, value, budget)]))
  }
  return `<${typeof data === 'object' ? data.constructor.name : typeof data}>`
}

/** An entry of a list or object. The reader has recorded which whole numbers were written as floats. */
function entry(container: object, key: string | number, item: unknown, budget: Budget): Value {
  return typeof item === 'number' && isFloat(container, key) && Number.isInteger(item)
    ? new Float(item)
    : fromData(item, budget)
}

function isPlain(data: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(data)
  // An object from another realm (a notebook's) has another Object.prototype.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
