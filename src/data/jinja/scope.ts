import { Namespace, typeName, type Value } from './values'
import { setNamespaceAttribute, unknownName } from './globals'
import { iterate } from './sequences'
import type { Target } from './syntax'

/** The variables of one block; others are looked up in the enclosing block. */
export class Scope {
  private readonly variables: Map<string, Value> = new Map()

  constructor(private readonly outer?: Scope | undefined) {}

  /** The value of a name; an Undefined if it is unknown. */
  get(name: string): Value {
    const found = this.variables.get(name)
    if (found !== undefined) return found
    return this.outer ? this.outer.get(name) : unknownName(name)
  }

  set(name: string, value: Value): void {
    this.variables.set(name, value)
  }

  /** Assigns to a name, to a namespace's attribute, or to several targets. */
  assign(target: Target, value: Value): void {
    if (target.type === 'name') return this.set(target.name, value)
    if (target.type === 'attribute') {
      const namespace = this.get(target.namespace)
      if (!(namespace instanceof Namespace))
        throw new Error(`cannot assign attribute on non-namespace object ('${typeName(namespace)}')`)
      return setNamespaceAttribute(namespace, target.name, value)
    }
    const items = iterate(value)
    const { targets } = target
    if (items.length !== targets.length) {
      const expected = `(expected ${targets.length}, got ${items.length})`
      throw new Error(
        `${items.length < targets.length ? 'not enough' : 'too many'} values to unpack ${expected}`,
      )
    }
    targets.forEach((t, i) => this.assign(t, items[i] ?? null))
  }
}
