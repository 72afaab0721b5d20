import type { Scope } from './scope'
import type { MacroBody } from './syntax'
import { Dict, Func, Tuple, Undefined, type Args, type Value } from './values'

/** What a macro needs from its rendering. */
export interface MacroRunner {
  /** A new scope inside the one where the macro was defined. */
  inner(): Scope
  default(index: number, scope: Scope): Value
  /** Renders the body. */
  body(scope: Scope): string
}

/** The function of a macro or of a call block, whose `name` is `caller`. */
export function macroFunction(name: string, macro: MacroBody, runner: MacroRunner): Func {
  const { names, defaults, mentions } = macro
  const attributes = new Map<string, Value>([
    ['name', name],
    ['arguments', Tuple.from1(names)],
    ['catch_kwargs', mentions.has('kwargs')],
    ['catch_varargs', mentions.has('varargs')],
    ['caller', mentions.has('caller')],
  ])
  const call = ({ positional, named }: Args): string => {
    const scope = runner.inner()
    const others = new Map(named)
    names.forEach((parameter, i) => {
      const given = i < positional.length ? positional[i] : others.get(parameter)
      if (i < positional.length && others.has(parameter))
        throw new TypeError(`macro '${name}' got two values for argument '${parameter}'`)
      others.delete(parameter)
      const at = i - (names.length - defaults.length)
      if (given !== undefined) scope.set(parameter, given)
      else if (at >= 0) scope.set(parameter, runner.default(at, scope))
      else scope.set(parameter, new Undefined(`parameter '${parameter}' was not provided`))
    })
    if (mentions.has('caller') && !names.includes('caller')) {
      scope.set('caller', others.get('caller') ?? new Undefined('No caller defined'))
      others.delete('caller')
    }
    if (mentions.has('kwargs')) scope.set('kwargs', new Dict(others))
    else if (others.size > 0)
      throw new TypeError(`macro '${name}' takes no keyword argument '${[...others.keys()][0]}'`)
    const rest = positional.slice(names.length)
    if (mentions.has('varargs')) scope.set('varargs', Tuple.from1(rest))
    else if (rest.length > 0)
      throw new TypeError(`macro '${name}' takes not more than ${names.length} argument(s)`)
    return runner.body(scope)
  }
  return new Func(name, call, 'Macro', attributes)
}
