import { REQUIRED, bind, func } from './arguments'
import type { Budget } from './limits'
import { toInteger } from './numbers'
import { iterate } from './sequences'
import { strftime } from './strftime'
import { Attributes, Dict, Func, Namespace, Range, Undefined, type Args, type Value } from './values'
import { textOf } from './python-text'

/** The limit of jinja2's sandbox. */
const LONGEST_RANGE = 100_000

/** The error of a template that rejects its conversation. */
export class RaisedException extends Error {}

/** The functions every template has. */
export function globals(budget: Budget): Map<string, Value> {
  const functions: Func[] = [
    new Func('range', (args) => range(args, budget)),
    new Func('namespace', (args) => namespace(args)),
    new Func('cycler', ({ positional }) => cycler(positional)),
    func('joiner', { sep: ', ' }, (separator = ', ') => joiner(separator)),
    func('raise_exception', { message: REQUIRED }, (message = '') => {
      throw new RaisedException(textOf(message, budget))
    }),
    func('strftime_now', { format: REQUIRED }, (format = '') => strftime(new Date(), textOf(format, budget))),
  ]
  return new Map<string, Value>([...functions.map((f) => [f.name, f] as const), ['dict', dict()]])
}

function range(args: Args, budget: Budget): Range {
  const [first, second, third] = args.positional.map(toInteger)
  if (first === undefined || args.positional.length > 3 || args.named.size > 0)
    throw new TypeError('range expects 1 to 3 integers')
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  const step = third ?? 1
  if (step === 0) throw new Error('range() arg 3 must not be zero')
  const length = Math.max(Math.ceil((stop - start) / step), 0)
  if (length > LONGEST_RANGE)
    throw new Error(`Range too big. The sandbox blocks ranges larger than MAX_RANGE (${LONGEST_RANGE}).`)
  budget.entries(length)
  const items = Array.from({ length }, (_, i) => start + i * step)
  return new Range(items, `range(${start}, ${stop}${step === 1 ? '' : `, ${step}`})`)
}

/** The pairs of `dict(...)` and `namespace(...)`. */
function entries({ positional, named }: Args): [Value, Value][] {
  const [given] = positional
  const pairs =
    given instanceof Dict
      ? given.pairs()
      : given === undefined
        ? []
        : iterate(given).map((pair): [Value, Value] => {
            const [key = null, value = null] = iterate(pair)
            return [key, value]
          })
  return [...pairs, ...named]
}

function namespace(args: Args): Namespace {
  const made = new Namespace()
  for (const [key, value] of entries(args)) setNamespaceAttribute(made, String(key), value)
  return made
}

/** @throws Error for a name that begins with an underscore, as transformers does. */
export function setNamespaceAttribute(namespace: Namespace, name: string, value: Value): void {
  if (name.startsWith('_'))
    throw new Error(
      `Chat templates cannot store underscore-prefixed attributes on a namespace, but got '${name}'. Please rename the attribute.`,
    )
  namespace.attributes.set(name, value)
}

function dict(): Attributes {
  const fromKeys = func(
    'fromkeys',
    { iterable: REQUIRED, value: null },
    (keys = null, value = null) => new Dict(iterate(keys).map((key) => [key, value])),
  )
  return new Attributes(
    'TemplateDict',
    (name) => (name === 'fromkeys' ? fromKeys : undefined),
    (args) => new Dict(entries(args)),
  )
}

function cycler(items: readonly Value[]): Attributes {
  if (items.length === 0) throw new TypeError('at least one item has to be provided')
  let at = 0
  const next = func('next', {}, () => items[at++ % items.length] ?? null)
  const reset = func('reset', {}, () => {
    at = 0
    return null
  })
  return new Attributes('Cycler', (name) => {
    if (name === 'current') return items[at % items.length]
    return name === 'next' ? next : name === 'reset' ? reset : undefined
  })
}

function joiner(separator: Value): Attributes {
  let used = false
  return new Attributes(
    'Joiner',
    () => undefined,
    (args) => {
      bind('joiner', {}, args)
      if (used) return separator
      used = true
      return ''
    },
  )
}

/** The value of an unknown name. */
export function unknownName(name: string): Undefined {
  return new Undefined(`'${name}' is undefined`)
}
