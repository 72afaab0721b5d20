/** A float without a fraction: `1.0`, `-0.0`, `1e20`. Plain numbers with a fraction, NaN and infinities are floats too. */
export class Float {
  constructor(readonly value: number) {}
}

/** A missing variable, key or attribute: it prints nothing, is false and empty, and throws for any other use. */
export class Undefined {
  /** `message`: the error when it is used. */
  constructor(readonly message: string) {}
}

/** A Python tuple. */
export class Tuple extends Array<Value> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }

  static from1(items: readonly Value[]): Tuple {
    const tuple = new this()
    for (const item of items) tuple.push(item)
    return tuple
  }
}

/** One group from the filter `groupby`: a tuple whose two items also have names. */
export class Group extends Tuple {
  get grouper(): Value | undefined {
    return this[0]
  }
  get list(): Value | undefined {
    return this[1]
  }
}

/** The values of `range(...)`. */
export class Range {
  constructor(
    readonly items: readonly number[],
    readonly text: string,
  ) {}
}

/** A Python iterator: always true, without a length, and consumed by one loop. */
export class ValueIterator {
  private position = 0
  constructor(
    private readonly items: readonly Value[],
    /** Name of Python's type, e.g. `generator`. */
    readonly type: string = 'generator',
  ) {}

  rest(): readonly Value[] {
    const rest = this.position === 0 ? this.items : this.items.slice(this.position)
    this.position = this.items.length
    return rest
  }

  next(): Value | undefined {
    return this.items[this.position++]
  }
}

/** `keys()`, `values()` or `items()` of a dict. */
export class DictView {
  constructor(
    readonly type: 'dict_keys' | 'dict_values' | 'dict_items',
    readonly items: readonly Value[],
  ) {}
}

/** An object with settable attributes: `namespace(...)`. */
export class Namespace {
  readonly attributes: Map<string, Value> = new Map()
}

/** An object whose attributes are computed: `loop`, a cycler, a macro's own. */
export class Attributes {
  constructor(
    /** Name of the Python class. */
    readonly type: string,
    readonly get: (name: string) => Value | undefined,
    readonly call?: (args: Args) => Value,
  ) {}
}

/** Arguments of a call. */
export interface Args {
  positional: readonly Value[]
  named: ReadonlyMap<string, Value>
}

/** A function that a template can call. */
export class Func {
  constructor(
    readonly name: string,
    readonly call: (args: Args) => Value,
    /** Name of the Python type. */
    readonly type: 'function' | 'builtin_function_or_method' | 'Macro' = 'function',
    readonly attributes: ReadonlyMap<string, Value> = new Map(),
  ) {}
}

/** A Python dict; as in Python, `1`, `1.0` and `True` are one key. */
export class Dict {
  private readonly entries = new Map<unknown, [key: Value, value: Value]>()

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value)
  }

  get size(): number {
    return this.entries.size
  }

  get(key: Value): Value | undefined {
    return this.entries.get(hash(key))?.[1]
  }

  has(key: Value): boolean {
    return this.entries.has(hash(key))
  }

  set(key: Value, value: Value): void {
    const hashed = hash(key)
    const known = this.entries.get(hashed)
    if (known) known[1] = value
    else this.entries.set(hashed, [key, value])
  }

  keys(): Value[] {
    return [...this.entries.values()].map(([key]) => key)
  }

  values(): Value[] {
    return [...this.entries.values()].map(([, value]) => value)
  }

  /** Key and value pairs in insertion order. */
  pairs(): [Value, Value][] {
    return [...this.entries.values()]
  }
}

export type Value =
  | null
  | boolean
  /** An integer if it is a whole number, else a float. */
  | number
  /** An integer beyond 2^53. */
  | bigint
  | string
  | Float
  | Value[]
  | Tuple
  | Dict
  | Range
  | ValueIterator
  | DictView
  | Namespace
  | Attributes
  | Func
  | Undefined

/** A JavaScript Map key that is equal for keys that are equal in Python. @throws TypeError for lists and dicts. */
export function hash(key: Value): unknown {
  if (typeof key === 'string' || typeof key === 'number' || key === null) return key
  if (typeof key === 'boolean') return Number(key)
  if (typeof key === 'bigint') return key
  if (key instanceof Float) return Number.isSafeInteger(key.value) ? key.value : `float ${key.value}`
  // The zero character distinguishes it from texts.
  if (key instanceof Tuple) {
    const text = `\0tuple ${key.map((k) => `${typeof k} ${String(hash(k))}`).join('\0')}`
    // Tuples that contain another tuple twice, nested many times, would fill the memory.
    if (text.length > 10_000) throw new Error('a tuple as a key is too long')
    return text
  }
  if (Array.isArray(key) || key instanceof Dict) throw new TypeError(`unhashable type: '${typeName(key)}'`)
  return key
}

/** Python's name of a value's type. */
export function typeName(value: Value): string {
  if (value === null) return 'NoneType'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float'
  if (typeof value === 'string') return 'str'
  if (value instanceof Float) return 'float'
  if (value instanceof Tuple) return 'tuple'
  if (Array.isArray(value)) return 'list'
  if (value instanceof Dict) return 'dict'
  if (value instanceof Range) return 'range'
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Namespace) return 'Namespace'
  return value.type
}

/** Whether the value is true in Python. */
export function isTrue(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false
  if (typeof value === 'number') return value !== 0
  if (typeof value === 'object') {
    if (value instanceof Float) return value.value !== 0
    if (Array.isArray(value)) return value.length > 0
    if (value instanceof Dict) return value.size > 0
    if (value instanceof Range || value instanceof DictView) return value.items.length > 0
    return true
  }
  return Boolean(value)
}

/** A list, tuple, range or view as an array; undefined for anything else. */
export function arrayOf(value: Value): readonly Value[] | undefined {
  if (Array.isArray(value)) return value
  if (value instanceof Range || value instanceof DictView) return value.items
  return undefined
}

/** @throws Error with the message of the missing value. */
export function defined<T extends Value>(value: T): Exclude<T, Undefined> {
  if (value instanceof Undefined) throw new Error(value.message)
  return value as Exclude<T, Undefined>
}
