import { bind, type Parameters } from './arguments'
import type { Budget } from './limits'
import type { Args, Value } from './values'

/** The parts of a rendering that filters and tests use. */
export interface Rendering {
  readonly budget: Budget
  /** @throws Error for an unknown filter. */
  filter(name: string, value: Value, args: Args): Value
  /** @throws Error for an unknown test. */
  test(name: string, value: Value, args: Args): boolean
}

export type Filter = (rendering: Rendering, value: Value, args: Args) => Value

/** A table of filters, with named parameters or with the arguments as given. */
export class FilterTable {
  readonly filters: Map<string, Filter> = new Map()

  add(
    names: string,
    parameters: Parameters,
    run: (rendering: Rendering, value: Value, ...args: Value[]) => Value,
  ): void {
    for (const name of names.split(' '))
      this.filters.set(name, (rendering, value, args) =>
        run(rendering, value, ...bind(name, parameters, args)),
      )
  }

  addRaw(name: string, run: Filter): void {
    this.filters.set(name, run)
  }
}
