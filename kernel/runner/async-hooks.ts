import { createHook } from 'node:async_hooks'

interface AsyncWrap {
  async_hook_fields: Uint32Array
  constants: { kCheck: number }
}

/**
 * An interrupt may end a cell in the middle of a callback, and Node's stack of async ids is then not what Node expects:
 * it aborts the process. `--no-force-async-hooks-checks` turns that check off, but each hook that is enabled (on Node 20
 * an AsyncLocalStorage is one) turns it on again, so it is turned off after that too. What stays on Node 20: with a hook
 * enabled, ending synchronous code that does not cooperate, in an async function after its first await, aborts.
 */
export function withoutAsyncChecks(): void {
  const { binding } = process as unknown as { binding(name: 'async_wrap'): AsyncWrap }
  // From Node 24 on an AsyncLocalStorage needs no hook.
  if (Number(process.versions.node.split('.')[0]) >= 24) return
  const { async_hook_fields: fields, constants } = binding('async_wrap')
  const hooks = Object.getPrototypeOf(createHook({})) as Record<'enable' | 'disable', () => unknown>
  for (const name of ['enable', 'disable'] as const) {
    const original = hooks[name]
    hooks[name] = function (this: unknown): unknown {
      const result = original.call(this)
      fields[constants.kCheck] = 0
      return result
    }
  }
}
