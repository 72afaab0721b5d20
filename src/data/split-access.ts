import { unknownNameError } from '../options/nearest'

// Properties that JavaScript, Jupyter kernels and test runners read from any object.
const asked = new Set([
  'then',
  'toJSON',
  'asymmetricMatch',
  'nodeType',
  'tagName',
  'inspect',
  'length',
  'render',
])

/**
 * The splits, which are also properties: `splits.train`. A name that is neither a split nor a member throws, so
 * that `const { train, tset } = splits` does not give undefined.
 */
export function splitAccess<T extends Map<string, unknown>>(splits: T, owner: string): T {
  return new Proxy(splits, {
    get: (target, name) => {
      if (name in target) {
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' && name !== 'constructor' ? value.bind(target) : value
      }
      if (typeof name === 'symbol') return undefined
      if (target.has(name)) return target.get(name)
      if (asked.has(name) || /^[_@$]/.test(name)) return undefined
      throw unknownNameError(owner, name, [...target.keys()], 'split')
    },
    has: (target, name) => name in target || (typeof name === 'string' && target.has(name)),
  })
}
