import { count } from './schemas'
import { describeSchema } from './describe'
import { show } from './parse'

let chosen: number | undefined
let drawn = 0

/**
 * Sets the seed of what draws numbers without a seed of its own: the start of adapters (`get_peft_model`), `generate`. The first of
 * them gets the seed itself, each later one another.
 * @throws TypeError on what is no whole number from 0 on.
 */
export function set_seed(seed: number): void {
  if (!count(0).safeParse(seed).success)
    throw new TypeError(`[set_seed] got ${show(seed)}, needs ${describeSchema(count(0))}`)
  chosen = seed
  drawn = 0
}

/** The seed for the next of them; undefined when set_seed was never called. */
export function nextSeed(): number | undefined {
  return chosen === undefined ? undefined : (chosen + 0x9e3779b1 * drawn++) % 2 ** 31
}
