import { REQUIRED, type Parameters } from './arguments'
import { attributeGetter, getAttribute } from './attributes'
import { compare, distinct, equals, sorted } from './compare'
import { FilterTable, type Filter, type Rendering } from './filter'
import type { Budget } from './limits'
import { arithmetic, numberOf, toInteger } from './numbers'
import { textOf } from './python-text'
import { iterate, lengthOf, points } from './sequences'
import {
  arrayOf,
  Dict,
  Group,
  Tuple,
  Undefined,
  ValueIterator,
  isTrue,
  typeName,
  type Args,
  type Value,
} from './values'

const table = new FilterTable()

/** The sort or comparison key of an item: its attribute, in lower case unless case matters. */
function keyGetter(
  attribute: Value,
  caseSensitive: Value,
  budget: Budget,
  otherwise: Value = null,
): (item: Value) => Value {
  const get = attributeGetter(attribute, budget, otherwise)
  return (item) => {
    const key = get(item)
    return typeof key === 'string' && !isTrue(caseSensitive) ? key.toLowerCase() : key
  }
}

table.add('length count', {}, (_, value) => lengthOf(value))
table.add('list', {}, (_, value) => [...iterate(value)])
table.add('first', {}, (_, value) =>
  itemOr(value instanceof ValueIterator ? value.next() : iterate(value)[0], 'first'),
)
table.add('last', {}, (_, value) => {
  if (value instanceof ValueIterator) throw new TypeError(`'${value.type}' object is not reversible`)
  return itemOr(iterate(value).at(-1), 'last')
})

function itemOr(item: Value | undefined, which: string): Value {
  return item === undefined ? new Undefined(`No ${which} item, sequence was empty.`) : item
}

table.add('default d', { default_value: '', boolean: false }, (_, value, otherwise = '', boolean = false) =>
  value instanceof Undefined || (isTrue(boolean) && !isTrue(value)) ? otherwise : value,
)
table.add('attr', { name: REQUIRED }, ({ budget }, value, name = '') => {
  // Only attributes: a dict's entries do not count.
  if (value instanceof Dict && typeof name === 'string' && value.has(name))
    return getAttribute(new Dict(), name, budget)
  return getAttribute(value, textOf(name, budget), budget)
})
table.add('items', {}, (_, value) => {
  if (value instanceof Undefined) return new ValueIterator([])
  if (!(value instanceof Dict)) throw new TypeError('Can only get item pairs from a mapping.')
  return new ValueIterator(value.pairs().map((pair) => Tuple.from1(pair)))
})
table.add('reverse', {}, (_, value) => {
  if (typeof value === 'string') return points(value).reverse().join('')
  const items = [...iterate(value)].reverse()
  return arrayOf(value) || value instanceof Dict ? new ValueIterator(items, 'list_reverseiterator') : items
})
table.add('join', { d: '', attribute: null }, ({ budget }, value, separator = '', attribute = null) => {
  const get = attributeGetter(attribute, budget)
  const between = textOf(separator, budget)
  let length = 0
  const texts = iterate(value).map((item) => {
    const text = textOf(get(item), budget)
    length += text.length + between.length
    budget.characters(length, text.length + between.length)
    return text
  })
  return texts.join(between)
})

table.add(
  'sort',
  { reverse: false, case_sensitive: false, attribute: null },
  ({ budget }, value, reverse = false, caseSensitive = false, attribute = null) => {
    const parts = typeof attribute === 'string' ? attribute.split(',') : [attribute]
    const keys = parts.map((part) => keyGetter(part, caseSensitive, budget))
    const items = iterate(value)
    budget.entries(items.length)
    return sorted(items, (item) => keys.map((key) => key(item)), isTrue(reverse), budget)
  },
)
table.add(
  'dictsort',
  { case_sensitive: false, by: 'key', reverse: false },
  ({ budget }, value, caseSensitive = false, by = 'key', reverse = false) => {
    if (by !== 'key' && by !== 'value') throw new Error('You can only sort by either "key" or "value"')
    if (!(value instanceof Dict)) throw new TypeError(`'${typeName(value)}' object has no attribute 'items'`)
    const pairs = value.pairs().map((pair) => Tuple.from1(pair))
    return sorted(pairs, keyGetter(by === 'key' ? 0 : 1, caseSensitive, budget), isTrue(reverse), budget)
  },
)
table.add(
  'unique',
  { case_sensitive: false, attribute: null },
  ({ budget }, value, caseSensitive = false, attribute = null) =>
    new ValueIterator(distinct(iterate(value), keyGetter(attribute, caseSensitive, budget))),
)
const extreme =
  (sign: 1 | -1) =>
  ({ budget }: Rendering, value: Value, caseSensitive: Value = false, attribute: Value = null): Value => {
    const key = keyGetter(attribute, caseSensitive, budget)
    const [first, ...rest] = iterate(value)
    if (first === undefined) return new Undefined('No aggregated item, sequence was empty.')
    return rest.reduce(
      (best: Value, item) => (compare(key(item), key(best), budget) * sign > 0 ? item : best),
      first,
    )
  }
table.add('max', { case_sensitive: false, attribute: null }, extreme(1))
table.add('min', { case_sensitive: false, attribute: null }, extreme(-1))
table.add('sum', { attribute: null, start: 0 }, ({ budget }, value, attribute = null, start = 0) => {
  const get = attributeGetter(attribute, budget)
  return iterate(value).reduce((total: Value, item) => {
    const [a, b] = [numberOf(total), numberOf(get(item))]
    if (!a || !b)
      throw new TypeError(
        `unsupported operand type(s) for +: '${typeName(total)}' and '${typeName(get(item))}'`,
      )
    return arithmetic('+', a, b)
  }, start)
})
const grouping: Parameters = { attribute: REQUIRED, default: null, case_sensitive: false }
table.add(
  'groupby',
  grouping,
  ({ budget }, value, attribute = null, otherwise = null, caseSensitive = false) => {
    const key = keyGetter(attribute, caseSensitive, budget, otherwise)
    const own = attributeGetter(attribute, budget, otherwise)
    const groups: Value[][] = []
    for (const item of sorted(iterate(value), key, false, budget)) {
      const group = groups.at(-1)
      if (group && equals(key(group[0] ?? null), key(item), budget)) group.push(item)
      else groups.push([item])
    }
    return groups.map((items) =>
      Group.from1([isTrue(caseSensitive) ? key(items[0] ?? null) : own(items[0] ?? null), items]),
    )
  },
)

table.add('batch', { linecount: REQUIRED, fill_with: null }, ({ budget }, value, count = 1, fill = null) => {
  const size = Math.max(toInteger(count), 1)
  const items = iterate(value)
  const rows: Value[][] = []
  for (let i = 0; i < items.length; i += size) rows.push(items.slice(i, i + size))
  const last = rows.at(-1)
  if (fill !== null && last) {
    budget.entries(size)
    while (last.length < size) last.push(fill)
  }
  return new ValueIterator(rows)
})
table.add('slice', { slices: REQUIRED, fill_with: null }, ({ budget }, value, slices = 1, fill = null) => {
  const items = iterate(value)
  const count = toInteger(slices)
  if (count === 0) throw new Error('integer division or modulo by zero')
  budget.entries(count)
  const [each, longer] = [Math.floor(items.length / count), items.length % count]
  const rows = Array.from({ length: Math.max(count, 0) }, (_, i): Value[] => {
    const from = i * each + Math.min(i, longer)
    const row = items.slice(from, from + each + (i < longer ? 1 : 0))
    return fill !== null && i >= longer ? [...row, fill] : row
  })
  return new ValueIterator(rows)
})

table.addRaw('map', (rendering, value, { positional, named }) => {
  if (!isTrue(value)) return new ValueIterator([])
  const each = mapper(rendering, positional, named)
  return new ValueIterator(iterate(value).map(each))
})

function mapper(
  rendering: Rendering,
  [name, ...rest]: readonly Value[],
  named: ReadonlyMap<string, Value>,
): (item: Value) => Value {
  if (name !== undefined) {
    const args: Args = { positional: rest, named }
    return (item) => rendering.filter(textOf(name, rendering.budget), item, args)
  }
  const attribute = named.get('attribute')
  if (attribute === undefined) throw new Error('map requires a filter argument')
  const unknown = [...named.keys()].find((key) => key !== 'attribute' && key !== 'default')
  if (unknown !== undefined) throw new Error(`Unexpected keyword argument '${unknown}'`)
  return attributeGetter(attribute, rendering.budget, named.get('default') ?? null)
}

const selection =
  (wanted: boolean, byAttribute: boolean): Filter =>
  (rendering, value, { positional, named }) => {
    if (!isTrue(value)) return new ValueIterator([])
    const [attribute, ...others] = positional
    if (byAttribute && attribute === undefined) throw new Error('Missing parameter for attribute name')
    const get = attributeGetter(byAttribute ? (attribute ?? null) : null, rendering.budget)
    const [name, ...rest] = byAttribute ? others : positional
    const args: Args = { positional: rest, named }
    const holds = (item: Value): boolean =>
      name === undefined ? isTrue(item) : rendering.test(textOf(name, rendering.budget), item, args)
    return new ValueIterator(iterate(value).filter((item) => holds(get(item)) === wanted))
  }
table.addRaw('select', selection(true, false))
table.addRaw('reject', selection(false, false))
table.addRaw('selectattr', selection(true, true))
table.addRaw('rejectattr', selection(false, true))

/** Filters over lists and dicts. */
export const listFilters: ReadonlyMap<string, Filter> = table.filters
