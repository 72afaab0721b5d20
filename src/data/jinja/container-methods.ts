import { REQUIRED, func } from './arguments'
import { equals } from './compare'
import type { Budget } from './limits'
import { likeOf } from './sequences'
import { Dict, DictView, Tuple, Undefined, type Func, type Value } from './values'

/** Methods that change a list or dict are not available, as in jinja2's immutable sandbox. */
const changing = new Set([
  ...['append', 'clear', 'extend', 'insert', 'pop', 'remove', 'reverse', 'sort'],
  ...['popitem', 'setdefault', 'update'],
])

function closed(type: string, name: string): Undefined {
  return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`)
}

/** A method of a dict, or undefined when it has none of that name. */
export function dictMethod(dict: Dict, name: string): Func | Undefined | undefined {
  switch (name) {
    case 'get':
      return func(name, { key: REQUIRED, default: null }, (key = null, otherwise = null) => {
        const found = dict.get(key)
        return found === undefined ? otherwise : found
      })
    case 'items':
      return func(
        name,
        {},
        () =>
          new DictView(
            'dict_items',
            dict.pairs().map((pair) => Tuple.from1(pair)),
          ),
      )
    case 'keys':
      return func(name, {}, () => new DictView('dict_keys', dict.keys()))
    case 'values':
      return func(name, {}, () => new DictView('dict_values', dict.values()))
    case 'copy':
      return func(name, {}, () => new Dict(dict.pairs()))
  }
  return ['clear', 'pop', 'popitem', 'setdefault', 'update'].includes(name) ? closed('dict', name) : undefined
}

/** A method of a list or tuple, or undefined when it has none of that name. */
export function listMethod(list: Value[], name: string, budget: Budget): Func | Undefined | undefined {
  const isTuple = list instanceof Tuple
  switch (name) {
    case 'index':
      return func(name, { value: REQUIRED }, (value = null) => {
        const at = list.findIndex((item) => equals(item, value, budget))
        if (at === -1) throw new Error(`the value is not in the ${isTuple ? 'tuple' : 'list'}`)
        return at
      })
    case 'count':
      return func(
        name,
        { value: REQUIRED },
        (value = null) => list.filter((item) => equals(item, value, budget)).length,
      )
    case 'copy':
      return isTuple ? undefined : func(name, {}, () => likeOf(list, list))
  }
  return !isTuple && changing.has(name) ? closed('list', name) : undefined
}
