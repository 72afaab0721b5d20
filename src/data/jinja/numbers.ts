import { Float, typeName, type Value } from './values'

/** A Python number as a JavaScript number; `float` distinguishes `1.0` from `1`. */
export interface Num {
  value: number | bigint
  float: boolean
}

/** Reads a number (True and False count as 1 and 0); undefined for anything else. */
export function numberOf(value: Value): Num | undefined {
  if (typeof value === 'boolean') return { value: Number(value), float: false }
  if (typeof value === 'bigint') return { value, float: false }
  if (typeof value === 'number') return { value, float: !Number.isInteger(value) }
  if (value instanceof Float) return { value: value.value, float: true }
  return undefined
}

/** A float as a value. */
export function float(value: number): Value {
  return Number.isInteger(value) ? new Float(value) : value
}

/** An integer as a value. */
export function integer(value: number | bigint): Value {
  if (typeof value === 'number') return value === 0 ? 0 : value
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

/** An integer argument. @throws TypeError for anything but an integer. */
export function toInteger(value: Value): number {
  const number = numberOf(value)
  if (!number || number.float)
    throw new TypeError(`'${typeName(value)}' object cannot be interpreted as an integer`)
  return Number(number.value)
}

type Operator = '+' | '-' | '*' | '/' | '//' | '%' | '**'

// Integers with more bits do not occur in conversations.
const MOST_BITS = 4096n

/** Arithmetic of two numbers, as Python's. @throws Error on a division by zero. */
export function arithmetic(operator: Operator, a: Num, b: Num): Value {
  if ((operator === '/' || operator === '//' || operator === '%') && Number(b.value) === 0)
    throw new Error(a.float || b.float ? 'float division by zero' : 'division by zero')
  if (operator === '/') return float(Number(a.value) / Number(b.value))
  const isFloat = a.float || b.float || (operator === '**' && Number(b.value) < 0)
  return isFloat
    ? float(floatResult(operator, Number(a.value), Number(b.value)))
    : integerResult(operator, a.value, b.value)
}

function floatResult(operator: Exclude<Operator, '/'>, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '//':
      return Math.floor(a / b)
    case '%': {
      const rest = a % b
      return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest
    }
    case '**': {
      if (a === 0 && b < 0) throw new Error('0.0 cannot be raised to a negative power')
      return a ** b
    }
  }
}

function integerResult(operator: Exclude<Operator, '/'>, a: number | bigint, b: number | bigint): Value {
  if (typeof a === 'number' && typeof b === 'number') {
    const fast = floatResult(operator, a, b)
    if (Number.isSafeInteger(fast) && operator !== '//') return integer(fast)
  }
  const [x, y] = [BigInt(a), BigInt(b)]
  switch (operator) {
    case '+':
      return integer(x + y)
    case '-':
      return integer(x - y)
    case '*':
      checkBits(bits(x) + bits(y))
      return integer(x * y)
    case '//': {
      const quotient = x / y
      return integer(x % y !== 0n && x < 0n !== y < 0n ? quotient - 1n : quotient)
    }
    case '%': {
      const rest = x % y
      return integer(rest !== 0n && rest < 0n !== y < 0n ? rest + y : rest)
    }
    case '**':
      checkBits(bits(x) * y)
      return integer(x ** y)
  }
}

function bits(value: bigint): bigint {
  return BigInt(value.toString(16).length * 4)
}

function checkBits(count: bigint): void {
  if (count > MOST_BITS) throw new Error(`an integer grew beyond ${MOST_BITS} bits`)
}

/** -1, 0 or 1; NaN for a comparison with NaN. */
export function compareNumbers(a: Num, b: Num): number {
  // JavaScript compares a bigint with a number exactly.
  if (a.value < b.value) return -1
  if (a.value > b.value) return 1
  return a.value == b.value ? 0 : NaN
}

/** `round(value, digits)` of a float: the nearest decimal; of two equally near ones the even one, as in Python. */
export function roundHalfEven(value: number, digits: number): number {
  if (!Number.isFinite(value) || digits > 100 || (digits >= 0 && Math.abs(value) >= 1e21)) return value
  if (digits < 0) {
    const scale = 10 ** -digits
    const low = Math.floor(value / scale)
    const over = value / scale - low
    return (over < 0.5 || (over === 0.5 && low % 2 === 0) ? low : low + 1) * scale
  }
  // toFixed is exact, but of two equally near decimals it takes the larger.
  const [, kept = '', rest = ''] = new RegExp(`^(.*\\.\\d{${digits}})(.*)$`).exec(value.toFixed(100)) ?? []
  const isTie = /^50*$/.test(rest) && /[02468]\.?$/.test(kept)
  return Number(isTie ? kept : value.toFixed(digits))
}
