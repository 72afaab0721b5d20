import type { Budget } from './limits'
import { compareNumbers, numberOf } from './numbers'
import {
  Dict,
  DictView,
  ValueIterator,
  Range,
  Tuple,
  Undefined,
  defined,
  hash,
  typeName,
  type Value,
} from './values'

/** Python's `a == b`. */
export function equals(a: Value, b: Value, budget: Budget): boolean {
  if (a === b) return true
  budget.spend()
  const [x, y] = [numberOf(a), numberOf(b)]
  if (x && y) return compareNumbers(x, y) === 0
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length || a instanceof Tuple !== b instanceof Tuple) return false
    return a.every((item, i) => equals(item, b[i] ?? null, budget))
  }
  if (a instanceof Dict && b instanceof Dict) {
    if (a.size !== b.size) return false
    return a.pairs().every(([key, value]) => {
      const other = b.get(key)
      return other !== undefined && equals(value, other, budget)
    })
  }
  if (a instanceof Range && b instanceof Range) return equals([...a.items], [...b.items], budget)
  return a instanceof Undefined && b instanceof Undefined
}

/**
 * Negative, 0 or positive in Python's order; NaN if a number is NaN. @throws TypeError for values that cannot
 * be ordered.
 */
export function compare(a: Value, b: Value, budget: Budget, operator = '<'): number {
  budget.spend()
  const [x, y] = [numberOf(a), numberOf(b)]
  if (x && y) return compareNumbers(x, y)
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b)
  if (Array.isArray(a) && Array.isArray(b) && a instanceof Tuple === b instanceof Tuple) {
    const at = a.findIndex((item, i) => i >= b.length || !equals(item, b[i] ?? null, budget))
    if (at === -1) return a.length - b.length
    return at >= b.length ? 1 : compare(a[at] ?? null, b[at] ?? null, budget, operator)
  }
  defined(a)
  defined(b)
  throw new TypeError(
    `'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`,
  )
}

/** Compares code points; JavaScript's `<` compares UTF-16 units. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  const isPlain = !/[\ud800-\udfff]/.test(a) && !/[\ud800-\udfff]/.test(b)
  if (isPlain) return a < b ? -1 : 1
  const [x, y] = [[...a], [...b]]
  const at = x.findIndex((c, i) => c !== y[i])
  if (at === -1) return -1
  const other = y[at]?.codePointAt(0)
  return other === undefined ? 1 : (x[at]?.codePointAt(0) ?? 0) - other
}

/** Python's `item in container`. */
export function contains(container: Value, item: Value, budget: Budget): boolean {
  budget.read(container)
  if (typeof container === 'string') {
    if (typeof item === 'string') return container.includes(item)
    throw new TypeError(`'in <string>' requires string as left operand, not ${typeName(item)}`)
  }
  if (container instanceof Dict) return container.has(item)
  if (container instanceof Undefined) return false
  if (Array.isArray(container)) return container.some((other) => equals(other, item, budget))
  if (container instanceof Range || container instanceof DictView)
    return container.items.some((other) => equals(other, item, budget))
  if (container instanceof ValueIterator) return container.rest().some((other) => equals(other, item, budget))
  throw new TypeError(`argument of type '${typeName(container)}' is not iterable`)
}

/** The first of each group of equal values, in order. */
export function distinct(items: readonly Value[], keyOf: (item: Value) => Value): Value[] {
  const seen = new Set<unknown>()
  return items.filter((item) => {
    const key = hash(keyOf(item))
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

/** Stable, as Python's `sorted`. */
export function sorted(
  items: readonly Value[],
  keyOf: (item: Value) => Value,
  reverse: boolean,
  budget: Budget,
): Value[] {
  const keyed = items.map((item, i) => ({ item, key: keyOf(item), i }))
  // With `reverse`, equal items keep their order too.
  keyed.sort((a, b) => (reverse ? compare(b.key, a.key, budget) : compare(a.key, b.key, budget)) || a.i - b.i)
  return keyed.map(({ item }) => item)
}
