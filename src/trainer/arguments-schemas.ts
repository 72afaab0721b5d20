import { z } from 'zod'

import { type OptimizerName, optimizerKinds, refusedOptimizers } from '../optim/names'
import type { Alias, Schema } from '../options/declaration'
import { oneOf } from '../options/schemas'

// Schemas that only TrainingArguments needs.

type Tracker = 'tensorboard' | 'csv' | 'mlflow'
type IntervalStrategy = 'no' | 'steps' | 'epoch'
type SaveStrategy = IntervalStrategy | 'best'

const keys = <K extends string>(table: Readonly<Record<K, unknown>>): K[] => Object.keys(table) as K[]

export const optimizer: Schema<OptimizerName> = z.preprocess(
  (name) => {
    const refused = typeof name === 'string' ? refusedOptimizers.get(name) : undefined
    if (!refused) return name
    throw new TypeError(
      `[TrainingArguments] optim = '${name as string}' is not supported: ${refused.reason} The nearest is '${refused.nearest}'.`,
    )
  },
  z.enum(keys(optimizerKinds)),
) as unknown as Schema<OptimizerName>

export const strategy: Schema<IntervalStrategy> = oneOf<IntervalStrategy>('no', 'steps', 'epoch')

export const saveStrategy: Schema<SaveStrategy> = oneOf<SaveStrategy>('no', 'steps', 'epoch', 'best')

/** Steps between two events: a number of steps, or below 1 a share of all steps. */
export const interval: z.ZodNumber = z
  .number()
  .min(0)
  .refine((value) => value < 1 || Number.isInteger(value))
  .describe('a whole number of steps, or below 1 a share of all steps')

const trackers: Tracker[] = ['tensorboard', 'csv', 'mlflow']
// Those that need no server.
const files: Tracker[] = ['tensorboard', 'csv']
export const reportInput: string =
  "'tensorboard' | 'csv' | 'mlflow' | 'none' | 'all' | readonly ('tensorboard' | 'csv' | 'mlflow')[] | null"

export const report: Schema<Tracker[]> = z
  .preprocess(
    (value) => {
      const list = Array.isArray(value) ? value : [value]
      if (list.length !== 1) return value
      if (list[0] === 'none' || list[0] === null) return []
      return list[0] === 'all' ? files : list
    },
    z.array(z.enum(trackers)),
  )
  .describe("'none', 'all', 'tensorboard', 'csv', 'mlflow', or a list of the last three")

/**
 * The old name, whose value is a share of the steps. In transformers 4 warmup_steps had priority. Since
 * warmup_steps reads 1 as one step, a ratio of 1 must become a number just below 1.
 */
export const ratioToSteps: Alias = {
  convert(ratio) {
    if (typeof ratio !== 'number') return ratio
    if (!(ratio >= 0 && ratio <= 1)) {
      throw new TypeError(
        `[TrainingArguments] warmup_ratio: got ${ratio}, needs a share of all steps from 0 to 1`,
      )
    }
    return Math.min(ratio, 1 - Number.EPSILON)
  },
  yields: true,
}

export const groupByLength: Alias = {
  convert: (value) => (value === true ? 'group_by_length' : value === false ? 'random' : value),
  type: 'boolean',
}
