import { Func, type Args, type Value } from './values'

/** Marks a parameter without a default. */
export const REQUIRED: unique symbol = Symbol('required')

/** Parameters in their order, with their defaults. */
export type Parameters = Readonly<Record<string, Value | typeof REQUIRED>>

/**
 * The values of a function's parameters. @throws TypeError for a missing, unknown or repeated argument, like
 * Python.
 */
export function bind(owner: string, parameters: Parameters, { positional, named }: Args): Value[] {
  const names = Object.keys(parameters)
  if (positional.length > names.length)
    throw new TypeError(`${owner}() takes at most ${names.length} arguments (${positional.length} given)`)
  for (const name of named.keys()) {
    const at = names.indexOf(name)
    if (at === -1) throw new TypeError(`${owner}() got an unexpected keyword argument '${name}'`)
    if (at < positional.length) throw new TypeError(`${owner}() got multiple values for argument '${name}'`)
  }
  return names.map((name, i) => {
    const given = i < positional.length ? positional[i] : named.get(name)
    if (given !== undefined) return given
    const otherwise = parameters[name]
    if (otherwise === undefined || typeof otherwise === 'symbol')
      throw new TypeError(`${owner}() missing required argument: '${name}'`)
    return otherwise
  })
}

/** A function with named parameters. */
export function func(name: string, parameters: Parameters, run: (...args: Value[]) => Value): Func {
  return new Func(name, (args) => run(...bind(name, parameters, args)), 'builtin_function_or_method')
}

/** Arguments without names. */
export function positional(...values: Value[]): Args {
  return { positional: values, named: new Map() }
}
