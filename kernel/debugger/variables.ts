import type { Inspector } from '../runner/inspector'
import type { DapVariable, ObjectPreview, PropertyDescriptor, RemoteObject } from './messages'

interface Held {
  /** Objects whose properties are shown as one list. */
  objectIds: string[]
  hidden?: ReadonlySet<string>
  /** Indices [from, to) of long arrays. */
  range?: [number, number]
  extra?: DapVariable[]
}

/** Elements shown at a time; longer arrays are shown in parts. */
const maxElements = 100
const maxText = 1000

const notShown = new Set(['[[Prototype]]', '[[Scopes]]', '[[FunctionLocation]]', '__proto__'])

/** The objects of the stopped (or running) thread behind DAP's `variablesReference` numbers. */
export class Variables {
  private readonly held = new Map<number, Held>()
  private last = 0

  constructor(private readonly inspector: Inspector) {}

  /** Invalidates the references given so far. */
  clear(): void {
    this.held.clear()
  }

  hold(held: Held): number {
    this.held.set(++this.last, held)
    return this.last
  }

  variable(name: string, object: RemoteObject): DapVariable {
    // JupyterLab's tree shows the type if there is one, else the value, which is more useful for plain values.
    const type = object.className ?? object.subtype ?? object.type
    const shown = { name, value: text(object), variablesReference: this.reference(object) }
    return object.objectId === undefined ? shown : { ...shown, type }
  }

  async list(reference: number): Promise<DapVariable[]> {
    const held = this.held.get(reference)
    if (!held) throw new Error(`variablesReference ${reference}: unknown, or the thread has gone on`)
    const lists = await Promise.all(
      held.objectIds.map((id) => (held.range ? this.elements(id, held.range) : this.properties(id))),
    )
    const found = new Map<string, DapVariable>()
    // Inner scopes come first and have priority.
    for (const variable of [...(held.extra ?? []), ...lists.flat()]) {
      if (!held.hidden?.has(variable.name) && !found.has(variable.name)) found.set(variable.name, variable)
    }
    return [...found.values()]
  }

  private reference(object: RemoteObject): number {
    if (object.objectId === undefined) return 0
    const length = arrayLength(object)
    const range: [number, number] | undefined =
      length !== undefined && length > maxElements ? [0, length] : undefined
    return this.hold({ objectIds: [object.objectId], ...(range && { range }) })
  }

  private async properties(objectId: string): Promise<DapVariable[]> {
    const options = { objectId, ownProperties: true, generatePreview: true }
    const { result, internalProperties = [] } = await this.inspector.post<{
      result: PropertyDescriptor[]
      internalProperties?: PropertyDescriptor[]
    }>('Runtime.getProperties', options)
    return [...result, ...internalProperties]
      .filter(({ name }) => !notShown.has(name))
      .map(({ name, value, get }) =>
        value
          ? this.variable(name, value)
          : { name, value: get ? '(getter)' : 'undefined', type: '', variablesReference: 0 },
      )
  }

  private async elements(objectId: string, [from, to]: [number, number]): Promise<DapVariable[]> {
    const count = to - from
    if (count <= maxElements) {
      const { result } = await this.inspector.post<{ result: RemoteObject }>('Runtime.callFunctionOn', {
        objectId,
        functionDeclaration:
          'function (from, to) { const part = {}; for (let i = from; i < to; i++) part[i] = this[i]; return part }',
        arguments: [{ value: from }, { value: to }],
      })
      return this.properties(result.objectId!)
    }
    const step = Math.max(maxElements, 10 ** Math.ceil(Math.log10(count) - 2))
    return Array.from({ length: Math.ceil(count / step) }, (_, part) => {
      const range: [number, number] = [from + part * step, Math.min(to, from + (part + 1) * step)]
      return {
        name: `[${range[0]} … ${range[1] - 1}]`,
        value: `${range[1] - range[0]} elements`,
        type: '',
        variablesReference: this.hold({ objectIds: [objectId], range }),
      }
    })
  }
}

function arrayLength({ subtype, description }: RemoteObject): number | undefined {
  if (subtype !== 'array' && subtype !== 'typedarray') return undefined
  const length = /\((\d+)\)$/.exec(description ?? '')?.[1]
  return length === undefined ? undefined : Number(length)
}

/** A value on one line. */
export function text(object: RemoteObject): string {
  if (object.type === 'string') return shortened(JSON.stringify(object.value))
  if (object.type === 'undefined') return 'undefined'
  if (object.subtype === 'null') return 'null'
  if (object.type === 'function') return shortened((object.description ?? 'function').split('\n')[0]!)
  if (object.subtype === 'error') return shortened((object.description ?? 'Error').split('\n')[0]!)
  if (object.preview) return shortened(previewText(object.preview))
  return shortened(object.unserializableValue ?? object.description ?? String(object.value))
}

function previewText(preview: ObjectPreview): string {
  const property = ({ name, type, value = '' }: ObjectPreview['properties'][number]): string => {
    const shown = type === 'string' ? JSON.stringify(value) : type === 'accessor' ? '(getter)' : value
    return isList ? shown : `${name}: ${shown}`
  }
  const isList = preview.subtype === 'array' || preview.subtype === 'typedarray'
  const entries = preview.entries?.map(({ key, value }) =>
    key ? `${key.description} => ${value.description}` : `${value.description}`,
  )
  const parts = entries ?? preview.properties.map(property)
  const inside = [...parts, ...(preview.overflow ? ['…'] : [])].join(', ')
  const name = preview.description === 'Object' ? '' : `${preview.description ?? ''} `
  return isList ? `${name}[${inside}]` : `${name}{${inside}}`
}

const shortened = (value: string): string => (value.length > maxText ? `${value.slice(0, maxText)}…` : value)
