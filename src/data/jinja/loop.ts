import { equals } from './compare'
import type { Budget } from './limits'
import { Attributes, Func, Undefined, type Args, type Value } from './values'

/** The state of a `for` loop. */
export interface LoopState {
  items: readonly Value[]
  index: number
  /** 0 for a loop that was not entered recursively. */
  depth: number
  /** The last arguments of `loop.changed`. */
  last: readonly Value[] | undefined
}

/** The variable `loop`. In a recursive loop, `recurse` renders the loop over other items. */
export function loopVariable(
  state: LoopState,
  recurse: ((args: Args) => Value) | undefined,
  budget: Budget,
): Attributes {
  const at = (index: number, what: string): Value => {
    const item = state.items[index]
    return item === undefined ? new Undefined(`there is no ${what} item`) : item
  }
  const cycle = new Func('cycle', ({ positional }) => {
    if (positional.length === 0) throw new TypeError('no items for cycling given')
    return positional[state.index % positional.length] ?? null
  })
  const changed = new Func('changed', ({ positional }) => {
    const before = state.last
    state.last = positional
    return !before || !equals([...before], [...positional], budget)
  })
  const get = (name: string): Value | undefined => {
    const { items, index, depth } = state
    switch (name) {
      case 'index':
        return index + 1
      case 'index0':
        return index
      case 'revindex':
        return items.length - index
      case 'revindex0':
        return items.length - index - 1
      case 'first':
        return index === 0
      case 'last':
        return index === items.length - 1
      case 'length':
        return items.length
      case 'depth':
        return depth + 1
      case 'depth0':
        return depth
      case 'previtem':
        return at(index - 1, 'previous')
      case 'nextitem':
        return at(index + 1, 'next')
      case 'cycle':
        return cycle
      case 'changed':
        return changed
    }
    return undefined
  }
  const call =
    recurse ??
    ((): never => {
      throw new TypeError("The loop must have the 'recursive' marker to be called recursively.")
    })
  return new Attributes('LoopContext', get, call)
}
