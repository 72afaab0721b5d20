import type { Budget } from './limits'
import { numberOf } from './numbers'
import { floatText, repr, textOf } from './python-text'
import { lengthOf } from './sequences'
import { Dict, Tuple, Undefined, typeName, type Args, type Value } from './values'

/** How to read `.name` and `[key]` of a field. */
export interface FieldAccess {
  attribute(object: Value, name: string): Value
  item(object: Value, key: Value): Value
}

/** `'{} {name:>8}'.format(...)`. */
export function formatMethod(text: string, args: Args, access: FieldAccess, budget: Budget): string {
  let automatic = 0
  const field = /\{\{|\}\}|\{([^{}!:]*)(?:!([rsa]))?(?::([^{}]*))?\}|[{}]/g
  return text.replace(field, (whole, path?: string, conversion?: string, spec?: string) => {
    if (whole === '{{' || whole === '}}') return whole.charAt(0)
    if (path === undefined) throw new Error(`Single '${whole}' encountered in format string`)
    const value = fieldValue(/^($|[.[])/.test(path) ? `${automatic++}${path}` : path, args, access)
    const converted = conversion === 's' ? textOf(value, budget) : conversion ? repr(value, budget) : value
    return formatted(converted, spec ?? '', budget)
  })
}

function fieldValue(path: string, args: Args, access: FieldAccess): Value {
  const [, name = '', rest = ''] = /^([^.[]*)(.*)$/s.exec(path) ?? []
  const found = /^\d+$/.test(name) ? args.positional[Number(name)] : args.named.get(name)
  if (found === undefined)
    throw new Error(
      /^\d+$/.test(name) ? 'Replacement index out of range for positional args tuple' : `'${name}'`,
    )
  let value = found
  for (const [, attribute, key] of rest.matchAll(/\.([^.[]+)|\[([^\]]+)\]/g)) {
    if (attribute !== undefined) value = access.attribute(value, attribute)
    else value = access.item(value, /^\d+$/.test(key ?? '') ? Number(key) : (key ?? ''))
  }
  return value
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([bcdeEfFgGnosxX%])?$/su

/** Python's `format(value, spec)`. */
function formatted(value: Value, spec: string, budget: Budget): string {
  if (spec === '') return textOf(value, budget)
  const found = SPEC.exec(spec)
  const number = typeof value === 'string' ? undefined : numberOf(value)
  if (!found || (!number && typeof value !== 'string'))
    throw new Error(`unsupported format '${spec}' for a ${typeName(value)}`)
  const [, fill, align, sign = '-', alternate, zero, width = '0', group, precision, type] = found
  budget.characters(Number(width) + Number(precision ?? 0))
  const digits = precision === undefined ? undefined : Number(precision)
  const filled = {
    fill: fill ?? (zero && number ? '0' : ' '),
    align: align ?? (zero && number ? '=' : undefined),
  }
  if (!number) {
    const text = digits === undefined ? String(value) : [...String(value)].slice(0, digits).join('')
    return aligned('', text, Number(width), filled.fill, filled.align ?? '<')
  }
  const isNegative = Number(number.value) < 0 || Object.is(number.value, -0)
  let body = numberText(number.value, number.float, type, digits, alternate !== undefined)
  if (group) body = body.replace(/^\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, group))
  return aligned(
    isNegative ? '-' : sign === '-' ? '' : sign,
    body,
    Number(width),
    filled.fill,
    filled.align ?? '>',
  )
}

function aligned(sign: string, body: string, width: number, fill: string, align: string): string {
  const missing = Math.max(width - lengthOf(sign + body), 0)
  if (align === '=') return sign + fill.repeat(missing) + body
  const left = align === '>' ? missing : align === '^' ? missing >> 1 : 0
  return fill.repeat(left) + sign + body + fill.repeat(missing - left)
}

/** The digits of a number without its sign. */
function numberText(
  value: number | bigint,
  isFloat: boolean,
  type: string | undefined,
  precision: number | undefined,
  alternate: boolean,
): string {
  const radix = ({ b: 2, o: 8, x: 16, X: 16 } as Record<string, number>)[type ?? '']
  if (radix !== undefined) {
    if (isFloat) throw new Error(`Unknown format code '${type}' for object of type 'float'`)
    const text = (alternate ? `0${type}` : '') + (value < 0 ? -value : value).toString(radix)
    return type === 'X' ? text.toUpperCase() : text
  }
  if ((type === undefined || type === 'd' || type === 'n') && !isFloat)
    return String(value < 0 ? -value : value)
  if (type === 'd') throw new Error("Unknown format code 'd' for object of type 'float'")
  const x = Math.abs(Number(value))
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : 'inf'
  if (type === 'f' || type === 'F') return x.toFixed(precision ?? 6)
  if (type === '%') return `${(x * 100).toFixed(precision ?? 6)}%`
  if (type === 'e' || type === 'E') return exponential(x, precision ?? 6, type)
  if (type === undefined && precision === undefined) return floatText(x)
  return general(x, precision ?? 6, type === 'G' ? 'E' : 'e')
}

function exponential(x: number, precision: number, letter: string): string {
  const [mantissa = '', power = ''] = x.toExponential(precision).split('e')
  return `${mantissa}${letter}${power.slice(0, 1)}${power.slice(1).padStart(2, '0')}`
}

function general(x: number, precision: number, letter: string): string {
  const digits = Math.max(precision, 1)
  const power = x === 0 ? 0 : Number(x.toExponential(digits - 1).split('e')[1])
  const text =
    power < -4 || power >= digits
      ? exponential(x, digits - 1, letter)
      : x.toFixed(Math.max(digits - 1 - power, 0))
  return text.replace(/(\.\d*?)0+(?=$|[eE])/, '$1').replace(/\.(?=$|[eE])/, '')
}

/** Python's `text % values`. */
export function percentFormat(text: string, values: Value, budget: Budget): string {
  const list: readonly Value[] = values instanceof Tuple ? values : [values]
  let next = 0
  const take = (): Value => {
    const value = list[next++]
    if (value === undefined) throw new TypeError('not enough arguments for format string')
    return value
  }
  const pattern = /%(?:\(([^)]*)\))?([-+ #0]*)(\d+|\*)?(?:\.(\d+))?[hlL]?(.)?/gsu
  const result = text.replace(
    pattern,
    (_, key?: string, flags = '', width?: string, precision?: string, type?: string) => {
      if (type === '%') return '%'
      if (type === undefined) throw new Error('incomplete format')
      const least = width === '*' ? String(take()) : (width ?? '')
      const value = key === undefined ? take() : keyed(values, key)
      const align = flags.includes('-') ? '<' : flags.includes('0') && !/[rsac]/.test(type) ? '=' : '>'
      const fill = align === '=' ? '0' : ' '
      const sign = /[+]/.test(flags) ? '+' : flags.includes(' ') ? ' ' : ''
      const digits = precision === undefined ? '' : `.${precision}`
      if (type === 's' || type === 'r' || type === 'a') {
        const shown = type === 's' ? textOf(value, budget) : repr(value, budget)
        return formatted(shown, `${fill}${align}${least}${digits}`, budget)
      }
      const number = numberOf(value)
      if (!number || !/[diuoxXeEfFgG]/.test(type))
        throw new TypeError(`%${type} format: a real number is required, not ${typeName(value)}`)
      const whole = /[diu]/.test(type)
      const given = whole && number.float ? Math.trunc(Number(number.value)) : value
      return formatted(
        given,
        `${fill}${align}${sign}${least}${whole ? '' : digits}${whole ? 'd' : type}`,
        budget,
      )
    },
  )
  if (values instanceof Tuple && next < list.length)
    throw new TypeError('not all arguments converted during string formatting')
  return result
}

function keyed(values: Value, key: string): Value {
  if (!(values instanceof Dict)) throw new TypeError('format requires a mapping')
  return values.get(key) ?? new Undefined(`'${key}'`)
}
