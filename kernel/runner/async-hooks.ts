import { createHook } from 'node:async_hooks'
import { Session } from 'node:inspector'

/** The part of Node's own `internalBinding('async_wrap')` that is used here. */
interface AsyncWrap {
  async_hook_fields: Uint32Array
  constants: { kCheck: number; kTotals: number }
}

/**
 * An interrupt can end a cell in the middle of a callback; Node's stack of async ids is then inconsistent, and
 * Node aborts the process. `--no-force-async-hooks-checks` turns that check off, but every hook that is enabled
 * (before Node 24 an AsyncLocalStorage is one) turns it on again, and after an await so does the number of
 * hooks. Both are set to zero without Node's knowledge; it still calls the hooks.
 */
export function withoutAsyncChecks(): void {
  const hooks = Object.getPrototypeOf(createHook({})) as Record<'enable' | 'disable', () => unknown>
  let wrap: AsyncWrap | undefined
  let total = 0
  const found = (): AsyncWrap | undefined => {
    try {
      return (wrap ??= asyncWrap())
    } catch {
      // A later version of Node may use another name; hooks must still work there.
      return undefined
    }
  }
  for (const name of ['enable', 'disable'] as const) {
    const original = hooks[name]
    hooks[name] = function (this: unknown): unknown {
      const counts = found()
      if (!counts) return original.call(this)
      const { async_hook_fields: fields, constants } = counts
      // Node recognizes the first and the last hook by this count.
      fields[constants.kTotals] = total
      const result = original.call(this)
      total = fields[constants.kTotals]!
      fields[constants.kTotals] = fields[constants.kCheck] = 0
      return result
    }
  }
}

interface Property {
  name: string
  value: { objectId?: string }
}

/**
 * Found through the inspector, in the scope of Node's functions: newer versions of Node have no other way to
 * it.
 */
function asyncWrap(): AsyncWrap {
  const session = new Session()
  session.connect()
  // In its own thread, the inspector answers at once.
  const ask = <T>(method: string, params: object): T => {
    let answer: T | undefined
    session.post(method, params, (error, result) => {
      if (error) throw error
      answer = result as T
    })
    return answer!
  }
  const properties = (objectId: string): Property[] => {
    const { result, internalProperties = [] } = ask<Record<'result' | 'internalProperties', Property[]>>(
      'Runtime.getProperties',
      { objectId, ownProperties: true },
    )
    return [...result, ...internalProperties]
  }
  const named = (all: Property[], name: string): string => {
    const found = all.find((property) => property.name === name)?.value.objectId
    if (found === undefined) throw new Error(`async hooks: no ${name} in Node ${process.version}`)
    return found
  }
  const scope = (objectId: string): Property[] =>
    properties(named(properties(objectId), '[[Scopes]]')).flatMap(({ name, value }) =>
      name === '0' ? properties(value.objectId!) : [],
    )
  try {
    const expression = "process.getBuiltinModule('node:async_hooks').createHook"
    const { result } = ask<{ result: { objectId: string } }>('Runtime.evaluate', { expression })
    const objectId = named(scope(named(scope(result.objectId), 'getHookArrays')), 'async_wrap')
    const functionDeclaration = 'function () { globalThis.__tslab__.asyncWrap = this }'
    ask('Runtime.callFunctionOn', { objectId, functionDeclaration })
  } finally {
    session.disconnect()
  }
  const { __tslab__: place } = globalThis as unknown as { __tslab__: { asyncWrap: AsyncWrap } }
  return place.asyncWrap
}
