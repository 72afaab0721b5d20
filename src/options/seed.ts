import { count } from './schemas'
import { describeSchema } from './describe'
import { show } from './parse'

let chosen: number | undefined
let drawn = 0

/**
 * Sets the seed for everything that draws random numbers without a seed of its own: new adapters
 * (`get_peft_model`) and `generate`. The first of them uses the seed itself; each later one uses another seed
 * derived from it.
 * @throws TypeError if `seed` is not a whole number from 0 on.
 */
export function set_seed(seed: number): void {
  if (!count(0).safeParse(seed).success)
    throw new TypeError(`[set_seed] got ${show(seed)}, needs ${describeSchema(count(0))}`)
  chosen = seed
  drawn = 0
}

/** The seed for the next of them; undefined if set_seed was never called. */
export function nextSeed(): number | undefined {
  return chosen === undefined ? undefined : (chosen + 0x9e3779b1 * drawn++) % 2 ** 31
}
