import { dictMethod, listMethod } from './container-methods'
import { formatMethod, type FieldAccess } from './format-method'
import type { Budget } from './limits'
import { numberOf } from './numbers'
import { reprText } from './python-text'
import { points } from './sequences'
import { stringMethod } from './string-methods'
import {
  arrayOf,
  Attributes,
  Dict,
  Func,
  Group,
  Namespace,
  Undefined,
  defined,
  typeName,
  type Value,
} from './values'

/** `object.name`: an attribute or method, else the entry of that name, else undefined. */
export function getAttribute(object: Value, name: string, budget: Budget): Value {
  const attribute = ownAttribute(defined(object), name, budget)
  return or(attribute, () => or(ownItem(object, name, budget), () => missing(object, name)))
}

/** `object[key]`: the entry, else the attribute or method of that name, else undefined. */
export function getItem(object: Value, key: Value, budget: Budget): Value {
  const found = ownItem(defined(object), key, budget)
  const attribute = (): Value | undefined =>
    typeof key === 'string' ? ownAttribute(object, key, budget) : undefined
  return or(found, () => or(attribute(), () => missing(object, key)))
}

/** `??` for values; None is a value. */
function or(found: Value | undefined, otherwise: () => Value): Value {
  return found === undefined ? otherwise() : found
}

function ownAttribute(object: Value, name: string, budget: Budget): Value | undefined {
  // Templates cannot access Python's internals.
  if (name.startsWith('_')) return undefined
  if (typeof object === 'string' && name === 'format') {
    const access: FieldAccess = {
      attribute: (value, attribute) => getAttribute(value, attribute, budget),
      item: (value, key) => getItem(value, key, budget),
    }
    return new Func(name, (args) => formatMethod(object, args, access, budget))
  }
  if (typeof object === 'string') return stringMethod(object, name, budget)
  if (object instanceof Dict) return dictMethod(object, name)
  if (object instanceof Group && (name === 'grouper' || name === 'list')) return object[name]
  if (Array.isArray(object)) return listMethod(object, name, budget)
  if (object instanceof Namespace) return object.attributes.get(name)
  if (object instanceof Attributes) return object.get(name)
  if (object instanceof Func) return object.attributes.get(name)
  return undefined
}

function ownItem(object: Value, key: Value, budget: Budget): Value | undefined {
  if (object instanceof Dict) {
    return Array.isArray(key) || key instanceof Dict ? undefined : object.get(key)
  }
  const at = numberOf(key)
  if (!at || at.float) return undefined
  budget.read(object)
  const items = typeof object === 'string' ? points(object) : arrayOf(object)
  if (!items) return undefined
  const index = Number(at.value)
  return items[index < 0 ? index + items.length : index]
}

function missing(object: Value, key: Value): Undefined {
  const owner = object === null ? 'None' : `${typeName(object)} object`
  return typeof key === 'string'
    ? new Undefined(`'${owner}' has no attribute ${reprText(key)}`)
    : new Undefined(`'${owner}' has no element ${key === null ? 'None' : String(key)}`)
}

/**
 * Reads a path such as `a.b.0` from an item: the attribute argument of filters. A number is an index; null is
 * the item itself. `otherwise`, unless it is null, replaces missing values.
 */
export function attributeGetter(
  attribute: Value,
  budget: Budget,
  otherwise: Value = null,
): (item: Value) => Value {
  const parts: Value[] =
    typeof attribute === 'string'
      ? attribute.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part))
      : attribute === null
        ? []
        : [attribute]
  return (item) =>
    parts.reduce((value: Value, part) => {
      const found = getItem(value, part, budget)
      return found instanceof Undefined && otherwise !== null ? otherwise : found
    }, item)
}
