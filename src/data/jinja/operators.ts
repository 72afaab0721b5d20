import { compare, contains, equals } from './compare'
import { percentFormat } from './format-method'
import type { Budget } from './limits'
import { arithmetic, integer, numberOf } from './numbers'
import { likeOf } from './sequences'
import type { ArithmeticOperator, ComparisonOperator } from './syntax'
import { Tuple, defined, typeName, type Value } from './values'

/** Python's binary operators. @throws TypeError if Python has none for the two types. */
export function operate(operator: ArithmeticOperator, left: Value, right: Value, budget: Budget): Value {
  const [a, b] = [
    numberOf(defined(left)),
    typeof left === 'string' && operator === '%' ? undefined : numberOf(defined(right)),
  ]
  if (a && b) return arithmetic(operator, a, b)
  if (operator === '%' && typeof left === 'string') return percentFormat(left, right, budget)
  if (operator === '+') {
    const joined = added(left, right, budget)
    if (joined !== undefined) return joined
  }
  if (operator === '*') {
    const count = a ?? b
    const repeated = a ? right : left
    if (count && !count.float) {
      const result = repeat(repeated, Math.max(Number(count.value), 0), budget)
      if (result !== undefined) return result
    }
  }
  throw new TypeError(
    `unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`,
  )
}

function added(left: Value, right: Value, budget: Budget): Value | undefined {
  if (typeof left === 'string') {
    if (typeof right !== 'string')
      throw new TypeError(`can only concatenate str (not "${typeName(right)}") to str`)
    budget.characters(left.length + right.length)
    return left + right
  }
  if (!Array.isArray(left) || !Array.isArray(right) || left instanceof Tuple !== right instanceof Tuple)
    return undefined
  budget.entries(left.length + right.length)
  return likeOf(left, [...left, ...right])
}

function repeat(value: Value, count: number, budget: Budget): Value | undefined {
  if (typeof value === 'string') {
    budget.characters(value.length * count)
    return value.repeat(count)
  }
  if (!Array.isArray(value)) return undefined
  budget.entries(value.length * count)
  return likeOf(
    value,
    Array.from({ length: count }, () => value).flatMap((items) => [...items]),
  )
}

/** `-value` and `+value`. */
export function signed(sign: 'negative' | 'positive', value: Value): Value {
  const number = numberOf(defined(value))
  if (!number)
    throw new TypeError(`bad operand type for unary ${sign === 'negative' ? '-' : '+'}: '${typeName(value)}'`)
  if (sign === 'positive') return typeof value === 'boolean' ? Number(value) : value
  if (!number.float && number.value === 0) return integer(0)
  return arithmetic('*', number, { value: -1, float: false })
}

/** One comparison of a chain. */
export function comparison(operator: ComparisonOperator, left: Value, right: Value, budget: Budget): boolean {
  budget.spend()
  switch (operator) {
    case '==':
      return equals(left, right, budget)
    case '!=':
      return !equals(left, right, budget)
    case 'in':
      return contains(right, left, budget)
    case 'not in':
      return !contains(right, left, budget)
    case '<':
      return compare(left, right, budget, operator) < 0
    case '<=':
      return compare(left, right, budget, operator) <= 0
    case '>':
      return compare(left, right, budget, operator) > 0
    case '>=':
      return compare(left, right, budget, operator) >= 0
  }
}
